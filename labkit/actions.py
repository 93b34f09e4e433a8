"""What the scheduler is told (events) and what it answers (actions): frozen records without behaviour.

Every `Start` comes back as one of Ready, InitFailed, Exited; every `Assign` as Finished or Exited; every `Stop` as
Exited. `version` is the key of a function's version: environments of one key are interchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request for a version (any key of it) of a function."""

    request_id: str
    version: str
    function: str = ""


@dataclass(frozen=True, slots=True)
class Ready:
    env_id: str


@dataclass(frozen=True, slots=True)
class InitFailed:
    """The init phase failed; the environment lives and repeats it inside its first invocation."""

    env_id: str


@dataclass(frozen=True, slots=True)
class Finished:
    env_id: str


@dataclass(frozen=True, slots=True)
class Exited:
    env_id: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time passed: the moment to let idle environments go."""


@dataclass(frozen=True, slots=True)
class LimitsChanged:
    """The account's limit, and what is reserved of it: function -> environments."""

    account_limit: int
    reserved: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProvisionedChanged:
    """So many environments of this version shall be kept ready from now on; also the order to try again."""

    version: str
    function: str
    count: int


@dataclass(frozen=True, slots=True)
class Recycled:
    """The next request of this version shall meet a fresh environment."""

    version: str


@dataclass(frozen=True, slots=True)
class Aborted:
    """Somebody ends this environment while it starts: nobody is to wait for it any more. Exited follows."""

    env_id: str


@dataclass(frozen=True, slots=True)
class VersionRetired:
    """No request will name this version again: its code or configuration changed, or it was deleted."""

    version: str


Event = (
    Arrived
    | Ready
    | InitFailed
    | Finished
    | Exited
    | Tick
    | LimitsChanged
    | ProvisionedChanged
    | Recycled
    | Aborted
    | VersionRetired
)


@dataclass(frozen=True, slots=True)
class Start:
    env_id: str
    version: str
    provisioned: bool = False


@dataclass(frozen=True, slots=True)
class Assign:
    request_id: str
    env_id: str


@dataclass(frozen=True, slots=True)
class Throttle:
    request_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Fail:
    """No environment could be started for this request."""

    request_id: str


@dataclass(frozen=True, slots=True)
class Stop:
    env_id: str


Action = Start | Assign | Throttle | Fail | Stop
