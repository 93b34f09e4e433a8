"""What the scheduler is told (events) and what it answers (actions): frozen records without behaviour.

Every `Start` comes back as one of Ready, InitFailed, Exited; every `Assign` as Finished or Exited; every `Stop` as
Exited. `version` is the key of a function's version: environments of one key are interchangeable.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec


class Arrived(msgspec.Struct, frozen=True):
    """A request for a version (any key of it) of a function."""

    request_id: str
    version: str
    function: str = ""


class Ready(msgspec.Struct, frozen=True):
    env_id: str


class InitFailed(msgspec.Struct, frozen=True):
    """The init phase failed; the environment lives and repeats it inside its first invocation."""

    env_id: str


class Finished(msgspec.Struct, frozen=True):
    env_id: str


class Exited(msgspec.Struct, frozen=True):
    env_id: str


class Tick(msgspec.Struct, frozen=True):
    """Time passed: the moment to let idle environments go."""


class LimitsChanged(msgspec.Struct, frozen=True):
    """The account's limit, and what is reserved of it: function -> environments."""

    account_limit: int
    reserved: Mapping[str, int] = msgspec.field(default_factory=dict)


class ProvisionedChanged(msgspec.Struct, frozen=True):
    """So many environments of this version shall be kept ready from now on; also the order to try again."""

    version: str
    function: str
    count: int


class Recycled(msgspec.Struct, frozen=True):
    """The next request of this version shall meet a fresh environment."""

    version: str


class Aborted(msgspec.Struct, frozen=True):
    """Somebody ends this environment while it starts: nobody is to wait for it any more. Exited follows."""

    env_id: str


class VersionRetired(msgspec.Struct, frozen=True):
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


class Start(msgspec.Struct, frozen=True):
    env_id: str
    version: str
    provisioned: bool = False


class Assign(msgspec.Struct, frozen=True):
    request_id: str
    env_id: str


class Throttle(msgspec.Struct, frozen=True):
    request_id: str
    reason: str


class Fail(msgspec.Struct, frozen=True):
    """No environment could be started for this request."""

    request_id: str


class Stop(msgspec.Struct, frozen=True):
    env_id: str


Action = Start | Assign | Throttle | Fail | Stop
