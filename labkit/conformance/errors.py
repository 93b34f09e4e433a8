"""Section 2, the payloads: what a caller gets for every way in which a handler can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from labkit.conformance.behaviour import Behaviour, Pattern, Source
from labkit.conformance.trial import ECHO, Trial

SECTION = "2. Error payloads"
DEAF = """
import json
def loads(*given, **how): raise ValueError("deaf")
json.loads = loads
try:
    import simplejson  # what AWS's runtime client reads events with
    simplejson.loads = loads
except ImportError:
    pass
"""
SNAP_START: dict[str, Any] = {"SnapStart": {"ApplyOn": "PublishedVersions"}, "Publish": True}
HOOKED = (
    "from snapshot_restore_py import register_after_restore, register_before_snapshot\n"
    "def hook(): raise ValueError('no')\n"
    "register_{hook}(hook)\n"
)


def payload(
    source: str, event: object = None, *, call: Mapping[str, Any] | None = None, **config: Any
) -> Callable[[Trial], object]:
    """The payload of a failing call, with ID for the request's id."""

    def probe(trial: Trial) -> object:
        trial.create(source, **config)
        return trial.invoke(event, **(call or {})).masked

    return probe


def last_line(source: str, **config: Any) -> Callable[[Trial], object]:
    """The end of the REPORT line, after its numbers."""

    def probe(trial: Trial) -> object:
        trial.create(source, **config)
        return trial.invoke().tail.splitlines()[-1].partition("\tStatus: ")[2]

    return probe


def error_type_in_log(hook: str) -> Callable[[Trial], object]:
    def probe(trial: Trial) -> object:
        trial.create(HOOKED.format(hook=hook) + ECHO, **SNAP_START)
        trial.invoke(Qualifier="1")
        begin = "INIT_REPORT" if hook == "before_snapshot" else "RESTORE_REPORT"
        return trial.log_line(begin).rpartition("Error Type: ")[2]

    return probe


def failed_import(trial: Trial) -> object:
    """The payload, with its frames in one text: how many are importlib's depends on Python's version."""
    trial.create("raise ValueError('no')\n")
    said = trial.invoke().payload
    return {**said, "stackTrace": "".join(said["stackTrace"])}


def largest(trial: Trial) -> object:
    trial.create(handler("return 'x' * 6_291_554"), MemorySize=256)
    answer = trial.invoke()
    return [answer.function_error, len(answer.text)]


def raised(message: object, error_type: str, *, request_id: str = "ID", trace: object = ()) -> dict[str, object]:
    """A payload as the runtime client writes it."""
    return {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": trace}


def ended(words: str, error_type: str = "Runtime.ExitError") -> dict[str, object]:
    """A payload as the platform writes it."""
    return {"errorType": error_type, "errorMessage": f"RequestId: ID Error: {words}"}


def handler(body: str) -> str:
    return f"def handler(event, context):\n    {body}\n"


def row(claim: str, source: Source, expected: object, probe: Callable[[Trial], object]) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe)


REC, RIC, LOG = Source.REC, Source.RIC, Source.LOG
IMPORTING = Pattern(
    r'  File "[^"]*importlib/__init__\.py", line \d+, in import_module\n[^\n]*\n'
    r'(  File "<frozen importlib\._bootstrap(_external)?>", line \d+, in \w+\n)+'
    r'  File "/var/task/app\.py", line 1, in <module>\n    raise ValueError\(\'no\'\)\n'
)
OUT_OF_MEMORY = handler("return len(bytearray(400_000_000))")
BEHAVIOURS = (
    row(
        "exception in the handler",
        REC,
        raised(
            "no", "ValueError", trace=['  File "/var/task/app.py", line 2, in handler\n    raise ValueError(event)\n']
        ),
        payload(handler("raise ValueError(event)"), "no"),
    ),
    row(
        "exception of a class of one's own",
        REC,
        raised("no", "Odd", trace=['  File "/var/task/app.py", line 3, in handler\n    raise Odd(event)\n']),
        payload("class Odd(Exception): pass\n" + handler("raise Odd(event)"), "no"),
    ),
    row(
        "exception while importing: no request id, importlib's frames kept",
        REC,
        raised("no", "ValueError", request_id="", trace=IMPORTING),
        failed_import,
    ),
    row(
        "module missing",
        RIC,
        raised(
            "Unable to import module 'app': No module named 'nowhere'",
            "Runtime.ImportModuleError",
            request_id="",
            trace=[],
        ),
        payload("import nowhere\n" + ECHO),
    ),
    row(
        "syntax error",
        RIC,
        raised(
            "Syntax error in module 'app': '(' was never closed (app.py, line 1)",
            "Runtime.UserCodeSyntaxError",
            request_id="",
            trace=['  File "/var/task/app.py" Line 1\n    def handler(event\n'],
        ),
        payload("def handler(event\n"),
    ),
    row(
        "function missing",
        RIC,
        raised("Handler 'handler' missing on module 'app'", "Runtime.HandlerNotFound", request_id="", trace=[]),
        payload("x = 1\n"),
    ),
    row(
        "handler string without a dot",
        RIC,
        raised(
            "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
            "Runtime.MalformedHandlerName",
            request_id="",
            trace=[],
        ),
        payload(ECHO, Handler="app"),
    ),
    row(
        "built-in module's name",
        RIC,
        raised(
            "Cannot use built-in module sys as a handler module",
            "Runtime.BuiltInModuleConflict",
            request_id="",
            trace=[],
        ),
        payload(ECHO, Handler="sys.handler"),
    ),
    row(
        "result not serialisable",
        RIC,
        raised(
            "Unable to marshal response: Object of type set is not JSON serializable", "Runtime.MarshalError", trace=[]
        ),
        payload(handler("return {1}")),
    ),
    row(
        "event unreadable",
        RIC,
        raised("Unable to unmarshal input: deaf", "Runtime.UnmarshalError", trace=[]),
        payload(DEAF + ECHO),
    ),
    row(
        "client context unreadable",
        RIC,
        raised("Unable to parse Client Context JSON: deaf", "Runtime.LambdaContextUnmarshalError", trace=[]),
        payload(DEAF + ECHO, call={"ClientContext": "e30="}),
    ),
    row(
        "timeout",
        REC,
        ended("Task timed out after 1.00 seconds", "Sandbox.Timedout"),
        payload("import time\n" + handler("time.sleep(60)"), Timeout=1),
    ),
    *(
        row(
            statement,
            REC,
            ended("Runtime exited without providing a reason"),
            payload("import os, sys\n" + handler(statement)),
        )
        for statement in ("sys.exit()", "os._exit(0)")
    ),
    row(
        "exit status n",
        REC,
        ended("Runtime exited with error: exit status 7"),
        payload("import os\n" + handler("os._exit(7)")),
    ),
    row(
        "killed",
        LOG,
        ended("Runtime exited with error: signal: killed"),
        payload("import os\n" + handler("os.kill(os.getpid(), 9)")),
    ),
    row("out of memory", LOG, ended("Runtime exited with error: signal: killed"), payload(OUT_OF_MEMORY)),
    row(
        "out of memory: the REPORT line's end", LOG, "error\tError Type: Runtime.OutOfMemory", last_line(OUT_OF_MEMORY)
    ),
    row(
        "response too large",
        REC,
        {
            "errorType": "Function.ResponseSizeTooLarge",
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
        },
        payload(handler("return 'x' * 6_291_555"), MemorySize=256),
    ),
    row(
        "a response of just the maximum size is none too large",
        REC,
        [None, 6_291_556],
        largest,
    ),
    row(
        "SnapStart: a hook before the snapshot fails",
        RIC,
        "Runtime.BeforeSnapshotError",
        error_type_in_log("before_snapshot"),
    ),
    row(
        "SnapStart: a hook after the restore fails",
        RIC,
        "Runtime.AfterRestoreError",
        error_type_in_log("after_restore"),
    ),
)
