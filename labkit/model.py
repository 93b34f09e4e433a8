"""The vocabulary that all sides share: frozen records and enums, AWS's word for each thing.

Owns no behaviour beyond what a record can say about itself, and knows no I/O. Seconds are `_s`, megabytes are
`_mb` (MiB, as AWS counts them); `_ms` exists only on the wire and on a screen. Times of day are seconds since
the epoch (`_at`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

LATEST = "$LATEST"
SYNC_PAYLOAD_BYTES = 6 * 1024 * 1024
RESPONSE_PAYLOAD_BYTES = 6_291_556  # 6 MiB + 100 bytes, as AWS's own message says
EVENT_PAYLOAD_BYTES = 1024 * 1024  # asynchronous invocation, 1 MB since 2025
ZIP_BYTES = 52_428_800
UNZIPPED_BYTES = 262_144_000
ENVIRONMENT_BYTES = 4096
LOG_TAIL_BYTES = 4096


class Phase(Enum):
    """Where an execution environment is in its life."""

    INIT = "init"
    IDLE = "idle"
    INVOKE = "invoke"
    SHUTDOWN = "shutdown"


class Status(StrEnum):
    """How an invocation ended."""

    SUCCESS = "success"
    ERROR = "error"
    TIMEOUT = "timeout"
    THROTTLED = "throttled"


class InvocationType(StrEnum):
    REQUEST_RESPONSE = "RequestResponse"
    EVENT = "Event"
    DRY_RUN = "DryRun"


@dataclass(frozen=True, slots=True)
class LoggingConfig:
    """How a function's log is written: `format` is Text or JSON; levels filter JSON only, "" is AWS's default."""

    format: str = "Text"
    application_level: str = ""
    system_level: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class VpcConfig:
    """The network that a function is attached to; `vpc_id` is its subnets', who knows what may be reached there."""

    subnet_ids: tuple[str, ...] = ()
    security_group_ids: tuple[str, ...] = ()
    ipv6: bool = False
    vpc_id: str = ""


@dataclass(frozen=True, slots=True)
class FunctionConfig:
    """What a student chooses about a function; defaults are AWS's."""

    name: str
    handler: str
    role: str = "arn:aws:iam::123456789012:role/labkit"
    runtime: str = "python3.13"
    memory_mb: int = 128
    timeout_s: int = 3
    variables: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    description: str = ""
    ephemeral_storage_mb: int = 512
    architecture: str = "x86_64"
    dead_letter_arn: str = ""
    tracing: str = "PassThrough"
    snap_start: bool = False
    kms_key_arn: str = ""
    vpc: VpcConfig = VpcConfig()
    logging: LoggingConfig = LoggingConfig()


@dataclass(frozen=True, slots=True)
class EventInvokeConfig:
    """How a function's asynchronous invocations are repeated, and where they end; defaults are AWS's."""

    maximum_retry_attempts: int = 2
    maximum_event_age_s: int = 21_600
    on_success: str = ""
    on_failure: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentPackage:
    """A zip file's content, known by its digest.

    `sha256` is base64, as AWS shows it; `requirements` are the distributions that the handler imports from the
    notebook's environment, pinned ("numpy==2.4.6").
    """

    sha256: str
    size_bytes: int
    files: tuple[str, ...] = ()
    requirements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InitPhases:
    """Where a cold start's time went; the four parts add up to the init duration.

    `process_start_s`: spawn to the interpreter's first line of ours. `runtime_start_s`: AWS's runtime client is
    imported and asks for its first event. `imports_s`: the import statements at the top of the handler's module;
    `imports` names them in order. `module_init_s`: the rest of that module, such as unpickling a model.
    """

    process_start_s: float
    runtime_start_s: float
    imports_s: float
    module_init_s: float
    imports: tuple[tuple[str, float], ...] = ()

    @property
    def total_s(self) -> float:
        return self.process_start_s + self.runtime_start_s + self.imports_s + self.module_init_s


@dataclass(frozen=True, slots=True)
class Trace:
    """The one record that an invocation leaves: plots, bills, checks and REPORT lines are functions of it.

    `queued_s`: from the request's arrival until its event is handed to the handler, init included.
    `init_s` is None on a warm invocation, and where SnapStart restored the environment: then it is `restore_s`, from
    its order to its first poll, hooks included. `duration_s` is the handler's own time and, as in REPORT, that of the
    extensions after it. `function_arn` is the one that was asked for, with its qualifier.
    """

    request_id: str
    function_name: str
    version: str
    environment_id: str
    log_stream: str
    arrived_at: float
    queued_s: float
    duration_s: float
    memory_mb: int
    max_memory_mb: int
    status: Status
    error_type: str | None = None
    init_s: float | None = None
    phases: InitPhases | None = None
    restore_s: float | None = None
    function_arn: str = ""

    @property
    def startup_s(self) -> float | None:
        """What is billed before the handler: the init, or the restore."""
        return self.init_s if self.restore_s is None else self.restore_s

    @property
    def cold(self) -> bool:
        return self.startup_s is not None

    @property
    def total_s(self) -> float:
        return self.queued_s + self.duration_s


class Traces(list[Trace]):
    """Several traces, in the order of their requests; a notebook shows them as lanes, one per environment.

    >>> lab.traces("predict")
    <Traces of 25 calls in 5 environments>
    """

    def __repr__(self) -> str:
        environments = len({trace.environment_id for trace in self})
        return f"<Traces of {len(self)} calls in {environments} environments>"


@dataclass(frozen=True, slots=True)
class FunctionError:
    """What a failed invocation's payload says, in AWS's shape. `stack_trace` has one string per frame."""

    error_type: str
    message: str
    stack_trace: tuple[str, ...] = ()
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came back from one invocation. A failed handler is an outcome too: look at `status` and `error`.

    >>> outcome = lab.deploy("double", "def handler(event, context): return 2 * event").invoke(21)
    >>> outcome.payload, outcome.ok
    (42, True)
    """

    function_name: str
    status: Status
    payload: object = None
    error: FunctionError | None = None
    log_tail: str = ""
    trace: Trace | None = None
    request_id: str = ""

    @property
    def ok(self) -> bool:
        return self.status is Status.SUCCESS

    def __repr__(self) -> str:
        what = repr(self.payload) if self.error is None else f"{self.error.error_type}: {self.error.message}"
        return f"<Outcome {self.function_name} {self.status}: {what if len(what) < 200 else what[:197] + '...'}>"


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Several outcomes in order; `cold` and `warm` are the ones that met a fresh environment and a used one.

    `label` names the row in tables and figures, so that `a.coldstart(5) + b.coldstart(5)` compares two functions.
    """

    label: str
    items: tuple[Outcome, ...]
    others: tuple[Outcomes, ...] = ()

    @property
    def cold(self) -> tuple[Trace, ...]:
        return tuple(o.trace for o in self.items if o.trace is not None and o.trace.cold)

    @property
    def warm(self) -> tuple[Trace, ...]:
        return tuple(o.trace for o in self.items if o.trace is not None and not o.trace.cold)

    @property
    def series(self) -> tuple[Outcomes, ...]:
        """This series and the ones added to it, each alone."""
        return (Outcomes(self.label, self.items), *self.others)

    def __add__(self, other: Outcomes) -> Outcomes:
        return Outcomes(self.label, self.items, (*self.others, *other.series))

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        labels = ", ".join(f"{s.label}: {len(s.cold)} cold, {len(s.warm)} warm" for s in self.series)
        return f"<Outcomes {labels}>"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What calls a function: a source, by its ARN, and the calls of boto3 that connected the two."""

    function_name: str
    source: str
    source_arn: str
    calls: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"<Trigger {self.source} calls {self.function_name}>"
