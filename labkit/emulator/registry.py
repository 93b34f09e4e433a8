"""What is deployed: functions, their code and configuration. Records only; behaviour is in `operations`."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Iterator, Mapping, MutableMapping, ValuesView
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from typing import TypeVar

import msgspec

from labkit.errors import InvalidParameterValue, PreconditionFailed, ResourceConflict, ResourceNotFound
from labkit.model import LATEST, DeploymentPackage, EventInvokeConfig, FunctionConfig

NAME = r"[a-zA-Z0-9-_]{1,64}"
REFERENCE = re.compile(
    rf"(?:arn:aws[a-zA-Z-]*:lambda:(?P<region>[a-z0-9-]+):(?P<account>\d{{12}}):function:|(?P<partial>\d{{12}}):function:)?"
    rf"(?P<name>{NAME})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9-_]+))?"
)


class Reference(msgspec.Struct, frozen=True):
    """What a caller means by a function name: a name, a partial or a whole ARN, perhaps with a qualifier."""

    name: str
    qualifier: str | None = None


@lru_cache(maxsize=1024)
def parse_reference(text: str, qualifier: str | None = None) -> Reference:
    """Raises InvalidParameterValue if the text is no function name, or names another version than `qualifier`."""
    match = REFERENCE.fullmatch(text)
    if match is None:
        raise InvalidParameterValue(f"{text!r} is no function name, partial ARN or ARN.")
    named = match["qualifier"]
    if named and qualifier and named != qualifier:
        raise InvalidParameterValue(
            "The derived qualifier from the function name does not match the specified qualifier."
        )
    return Reference(match["name"], named or qualifier)


class FunctionVersion(msgspec.Struct, frozen=True):
    """Code and configuration; a published version never changes.

    `key` is new with every change of code or configuration: environments of one key are interchangeable.
    """

    key: str
    arn: str  # the function's, without a version
    config: FunctionConfig
    package: DeploymentPackage
    version: str
    last_modified: str
    revision_id: str
    layers: tuple[LayerVersion, ...] = ()


class LayerVersion(msgspec.Struct, frozen=True):
    """Files that several functions share."""

    name: str
    number: int
    layer_arn: str
    package: DeploymentPackage
    created: str
    description: str = ""
    license_info: str = ""
    runtimes: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()

    @property
    def arn(self) -> str:
        return f"{self.layer_arn}:{self.number}"


class Layer(msgspec.Struct):
    versions: dict[int, LayerVersion] = msgspec.field(default_factory=dict)
    last_number: int = 0  # numbers of deleted versions are not used again
    policies: dict[int, LayerPolicy] = msgspec.field(default_factory=dict)  # by version


class Alias(msgspec.Struct, frozen=True):
    """A name for a version; `weights` send a share of the invocations to another one."""

    name: str
    version: str
    description: str = ""
    weights: Mapping[str, float] = msgspec.field(default_factory=dict)
    revision_id: str = msgspec.field(default_factory=lambda: str(uuid.uuid4()))

    def pick(self, draw: float) -> str:
        """The version that serves a request, by a number drawn from [0, 1)."""
        for version, weight in self.weights.items():
            if draw < weight:
                return version
            draw -= weight
        return self.version


class PolicyStatement(msgspec.Struct, frozen=True):
    """A permission in a function's resource policy; absent conditions are None."""

    sid: str
    action: str
    principal: str
    resource: str
    source_arn: str | None = None
    source_account: str | None = None
    organisation: str | None = None
    event_source_token: str | None = None
    url_auth_type: str | None = None
    via_url: bool | None = None


class LayerPolicy(msgspec.Struct, frozen=True):
    """Who may use a version of a layer; every change is a new revision."""

    statements: tuple[PolicyStatement, ...] = ()
    revision_id: str = ""


class CodeSigningConfig(msgspec.Struct, frozen=True):
    """Whose signatures code should bear, and what is to be done with other code. Kept and shown only."""

    config_id: str
    arn: str
    profiles: tuple[str, ...]
    last_modified: str
    policy: str = "Warn"
    description: str = ""
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)


class Cors(msgspec.Struct, frozen=True):
    """Which web pages may call a function URL, and how; None is what nobody set."""

    allow_credentials: bool | None = None
    allow_headers: tuple[str, ...] | None = None
    allow_methods: tuple[str, ...] | None = None
    allow_origins: tuple[str, ...] | None = None
    expose_headers: tuple[str, ...] | None = None
    max_age_s: int | None = None


class FunctionUrl(msgspec.Struct, frozen=True):
    """An HTTP address of a function or of an alias. `url_id` is the unguessable part of it."""

    url_id: str
    auth_type: str
    created: float
    last_modified: float
    invoke_mode: str = "BUFFERED"
    cors: Cors | None = None


class FunctionEventInvokeConfig(msgspec.Struct, frozen=True):
    """What somebody set about asynchronous invocations of one qualifier; None is what nobody set."""

    maximum_retry_attempts: int | None
    maximum_event_age_s: int | None
    on_success: str | None
    on_failure: str | None
    last_modified: float

    def policy(self) -> EventInvokeConfig:
        """With AWS's defaults where nothing was set."""
        default = EventInvokeConfig()
        attempts, age_s = self.maximum_retry_attempts, self.maximum_event_age_s
        return EventInvokeConfig(
            default.maximum_retry_attempts if attempts is None else attempts,
            default.maximum_event_age_s if age_s is None else age_s,
            self.on_success or "",
            self.on_failure or "",
        )


class StreamSettings(msgspec.Struct, frozen=True):
    """What only an event source mapping of a stream has; -1 is without limit."""

    starting_position: str
    starting_at: float | None = None
    parallelization_factor: int = 1
    bisects_batches: bool = False
    maximum_retry_attempts: int = -1
    maximum_record_age_s: int = -1
    tumbling_window_s: int = 0
    on_failure: str | None = None


class EventSourceMapping(msgspec.Struct, frozen=True):
    """A queue or stream, and the function that gets its batches. A poller of this source says so in `polled`."""

    mapping_id: str
    source_arn: str
    function_arn: str
    batch_size: int
    batching_window_s: int
    last_modified: float
    enabled: bool = True
    polled: bool = False
    filters: tuple[str, ...] = ()
    reports_item_failures: bool = False
    maximum_concurrency: int | None = None
    stream: StreamSettings | None = None
    tags: Mapping[str, str] = msgspec.field(default_factory=dict)
    last_result: str = ""  # what came of its last batch; empty before the first

    @property
    def service(self) -> str:
        return self.source_arn.split(":")[2]


class Change(msgspec.Struct, frozen=True, eq=False):
    """A function is being created, or updated from the version that serves until it is done."""

    previous: FunctionVersion | None


class ProvisionedConcurrency(msgspec.Struct, frozen=True):
    """How many environments somebody wants to be kept ready for a version or an alias."""

    requested: int
    last_modified: str


class Function(msgspec.Struct):
    """What a name stands for. The dicts after `tags` are by qualifier, $LATEST where a caller gives none."""

    latest: FunctionVersion
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    published: dict[str, FunctionVersion] = msgspec.field(default_factory=dict)
    aliases: dict[str, Alias] = msgspec.field(default_factory=dict)
    last_number: int = 0  # numbers of deleted versions are not used again
    policies: dict[str, tuple[PolicyStatement, ...]] = msgspec.field(default_factory=dict)
    event_invoke: dict[str, FunctionEventInvokeConfig] = msgspec.field(default_factory=dict)
    urls: dict[str, FunctionUrl] = msgspec.field(default_factory=dict)
    runtime_updates: dict[str, str] = msgspec.field(default_factory=dict)
    recursive_loop: str = "Terminate"
    reserved: int | None = None  # of the account's concurrency
    change: Change | None = None
    provisioned: dict[str, ProvisionedConcurrency] = msgspec.field(default_factory=dict)  # by qualifier, never $LATEST
    code_signing_arn: str = ""

    @property
    def name(self) -> str:
        return self.latest.config.name

    @property
    def revision_id(self) -> str:
        return self.latest.revision_id

    def revision_of(self, qualifier: str) -> str:
        """$LATEST, each version and each alias has its own."""
        if qualifier in self.aliases:
            return self.aliases[qualifier].revision_id
        return self.published[qualifier].revision_id if qualifier in self.published else self.revision_id

    def touch(self, qualifier: str = LATEST) -> None:
        """Something that belongs to the function, or to that part of it, changed; neither code nor configuration."""
        revision_id = str(uuid.uuid4())
        if qualifier in self.aliases:
            self.aliases[qualifier] = msgspec.structs.replace(self.aliases[qualifier], revision_id=revision_id)
        elif qualifier in self.published:
            self.published[qualifier] = msgspec.structs.replace(self.published[qualifier], revision_id=revision_id)
        else:
            self.latest = msgspec.structs.replace(self.latest, revision_id=revision_id)

    def forget(self, qualifier: str) -> None:
        """What belongs to a version or alias goes with it; its provisioned concurrency is the dispatcher's to end."""
        self.policies.pop(qualifier, None)
        self.event_invoke.pop(qualifier, None)
        self.urls.pop(qualifier, None)
        self.runtime_updates.pop(qualifier, None)

    def check_revision(self, wanted: str | None, qualifier: str = LATEST) -> None:
        """Raises PreconditionFailed if somebody changed the function, or that part, since the caller read it."""
        if wanted and wanted != self.revision_of(qualifier):
            raise PreconditionFailed(
                "The Revision Id provided does not match the latest Revision Id. "
                "Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
            )

    def event_policy(self, qualifier: str | None) -> EventInvokeConfig:
        config = self.event_invoke.get(qualifier or LATEST)
        return config.policy() if config else EventInvokeConfig()

    def versions(self) -> list[FunctionVersion]:
        """$LATEST first, then in the order of publishing."""
        return [self.latest, *self.published.values()]


def now_spelt() -> str:
    """The time as it stands in what was created or changed now."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


T = TypeVar("T")
ASKED_FOR: ContextVar[set[tuple[str, str]] | None] = ContextVar("ASKED_FOR", default=None)
"""Where the running operation notes the records that it has asked for: it can have changed no others."""


class Records(MutableMapping[str, T]):
    """Records by name, which notes in ASKED_FOR whom somebody asked for; `kind` is its name there."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._records: dict[str, T] = {}

    def _note(self, name: str) -> None:
        noted = ASKED_FOR.get()
        if noted is not None:
            noted.add((self._kind, name))

    def __getitem__(self, name: str) -> T:
        self._note(name)
        return self._records[name]

    def __setitem__(self, name: str, record: T) -> None:
        self._note(name)
        self._records[name] = record

    def __delitem__(self, name: str) -> None:
        self._note(name)
        del self._records[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def values(self) -> ValuesView[T]:
        """All of them, which are not noted: who looks through a list changes nothing in it."""
        return self._records.values()


class Registry:
    """Functions and layers by name, event source mappings by UUID, code signing configurations by their ids."""

    def __init__(self, *, account_id: str, region: str) -> None:
        self.account_id = account_id
        self.region = region
        self.functions: Records[Function] = Records("functions")
        self.layers: Records[Layer] = Records("layers")
        self.mappings: Records[EventSourceMapping] = Records("mappings")
        self.code_signing: Records[CodeSigningConfig] = Records("code_signing")

    def arn(self, name: str) -> str:
        return f"arn:aws:lambda:{self.region}:{self.account_id}:function:{name}"

    def function(self, reference: Reference) -> Function:
        """Raises ResourceNotFound, in AWS's words."""
        function = self.functions.get(reference.name)
        if function is None:
            raise self._missing(reference)
        return function

    def version(self, reference: Reference) -> FunctionVersion:
        """The version that a qualifier names; of an alias with weights, one by lot."""
        function = self.function(reference)
        qualifier = reference.qualifier
        if qualifier in (None, LATEST):
            return function.latest
        alias = function.aliases.get(str(qualifier))
        number = alias.pick(random.random()) if alias else str(qualifier)
        if number == LATEST:
            return function.latest
        if number not in function.published:
            raise self._missing(reference)
        return function.published[number]

    def serving(self, reference: Reference) -> FunctionVersion:
        """The version that runs an invocation now. Raises ResourceNotFound, and ResourceConflict as long as there is
        none: its function is being created.
        """
        version = self.version(reference)
        change = self.functions[reference.name].change
        if change is None or version.version != LATEST:
            return version
        if change.previous is None:
            raise ResourceConflict(
                "The operation cannot be performed at this time. The function is currently in the following state: "
                "Pending"
            )
        return change.previous

    def url(self, url_id: str) -> tuple[Function, str, FunctionUrl] | None:
        """The function behind a URL, the qualifier it belongs to, and its settings."""
        for function in self.functions.values():
            for qualifier, url in function.urls.items():
                if url.url_id == url_id:
                    return function, qualifier, url
        return None

    def event_policy(self, reference: Reference) -> EventInvokeConfig:
        """How asynchronous invocations under this name are repeated."""
        return self.function(reference).event_policy(reference.qualifier)

    def _missing(self, reference: Reference) -> ResourceNotFound:
        return ResourceNotFound(f"Function not found: {self.arn(reference.name)}:{reference.qualifier or LATEST}")

    def named(self, text: str, qualifier: str | None = None) -> tuple[Function, str]:
        """The function that a caller means, and the qualifier: $LATEST if none. Raises as `function` does."""
        reference = parse_reference(text, qualifier)
        function = self.function(reference)
        if reference.qualifier not in (None, LATEST, *function.published, *function.aliases):
            raise self._missing(reference)
        return function, reference.qualifier or LATEST
