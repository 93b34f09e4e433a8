"""What is said about one call: the headline, the result, the error, where it happened, what to try, the log.

What changes from run to run stands in the headline and in the times right below it. The log is shown without the lines
that the headline and the error have said already; `%logs` shows all of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.billing import bill, billed_ms
from labkit.model import FunctionError, Outcome, Status, Trace
from labkit.show import carets, spans, words

LONGEST_LINE = 100
LINES_SHOWN = 20
LONGEST_PRINTED = 400
SEPARATOR = " · "

_REASONS = {
    "ReservedFunctionConcurrentInvocationLimitExceeded": "the function's reserved concurrency is used up",
    "ReservedFunctionInvocationRateLimitExceeded": "requests come faster than its reserved concurrency allows",
    "FunctionInvocationRateLimitExceeded": "requests come faster than the function may be called",
    "ConcurrentInvocationLimitExceeded": "all environments that the account may have at once are busy",
    "CallerRateLimitExceeded": "this caller sends requests faster than it may",
    "ConcurrentSnapshotCreateLimitExceeded": "too many snapshots are being made at once",
}
_DISTRIBUTIONS = {  # where a module's distribution has another name, and lessons meet it
    "sklearn": "scikit-learn",
    "PIL": "Pillow",
    "yaml": "PyYAML",
    "cv2": "opencv-python-headless",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
}
_LIBRARY_FRAME = re.compile(
    r'File "(?:<frozen |[^"]*/(?:site-packages|dist-packages|lib/python3[^/"]*)/|/var/runtime/)'
)
_PLATFORM_LINE = re.compile(r"(?:START|END|REPORT) RequestId: ")
_PLATFORM_RECORD = re.compile(r'\{"time":"[^"]*","type":"platform\.(\w+)"')
_GOOD_INIT_REPORT = re.compile(r"INIT_REPORT (?!.*Status: )")


@dataclass(frozen=True, slots=True)
class Call:
    """One call as labelled blocks of lines; an empty block is not shown. `more` is the rest of a long result."""

    headline: str
    times: tuple[tuple[str, str], ...] = ()
    result: tuple[str, ...] = ()
    more: tuple[str, ...] = ()
    error: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    advice: tuple[str, ...] = ()
    log: tuple[str, ...] = ()


def call(o: Outcome) -> Call:
    """Sorts an outcome into what a student reads, top to bottom."""
    result, more = ([], []) if _says_only_the_error(o) else _split(_payload(o.payload))
    return Call(
        headline=_headline(o),
        times=tuple(_times(o.trace)) if o.trace is not None else (),
        result=tuple(result),
        more=tuple(more),
        error=tuple(words.lines(f"{o.error.error_type}: {o.error.message}".strip())) if o.error else (),
        where=tuple(_where(o.error)) if o.error else (),
        advice=tuple(_advice(o)),
        log=tuple(_log(o)),
    )


def _headline(o: Outcome) -> str:
    facts = [str(o.status), " ".join(words.clean(o.function_name).split())]
    if o.status is Status.THROTTLED:
        facts.append(_reason(o) or "the call did not reach the function")
    if o.trace is not None:
        facts += _measured(o.trace)
    return SEPARATOR.join(facts)


def _measured(trace: Trace) -> list[str]:
    what = "init" if trace.restore_s is None else "restore"
    start = "warm" if trace.startup_s is None else f"cold, {words.duration(trace.startup_s)} {what}"
    billed = f"billed {billed_ms(trace.duration_s, trace.startup_s):,} ms"
    return [words.duration(trace.duration_s), start, billed, f"{trace.max_memory_mb:,} of {trace.memory_mb:,} MB"]


def _times(trace: Trace) -> list[tuple[str, str]]:
    """Where a cold start's time went, and what the call costs."""
    what = "init" if trace.restore_s is None else "restore"
    parts = ", ".join(f"{s.name} {words.duration(s.duration_s)}" for s in spans.init_parts(trace))
    return [*([(what, parts)] if trace.phases is not None and parts else []), ("bill", billed(trace))]


def billed(trace: Trace) -> str:
    """What a call costs, as AWS counts it: its price alone is too small a number to be read."""
    found = bill(trace)
    memory = f"{trace.memory_mb:,} MB"
    return (
        f"{round(found.billed_s * 1000):,} ms of {memory} = {words.few(found.gb_s)} GB-s;"
        f" a million such calls USD {words.few(found.usd * 1_000_000)} (AWS's prices of {found.prices.as_of})"
    )


# --- the result ---------------------------------------------------------------------------------------------


def payload_lines(payload: object) -> list[str]:
    """A payload as JSON: on one line if it fits, else indented, cut after twenty lines."""
    return with_rest(*_split(_payload(payload)))


def with_rest(shown: Sequence[str], more: Sequence[str]) -> list[str]:
    """The lines, and how many are left out."""
    return [*shown, f"… {words.count(len(more), 'more line')}"] if more else list(shown)


def _payload(payload: object) -> list[str]:
    return [words.shorten(words.clean(line), LONGEST_PRINTED) for line in _pretty(payload, LONGEST_LINE)]


def _split(lines: list[str]) -> tuple[list[str], list[str]]:
    """What is shown at once, and the rest; a rest of one line is shown too."""
    cut = LINES_SHOWN if len(lines) > LINES_SHOWN + 1 else len(lines)
    return lines[:cut], lines[cut:]


def _pretty(payload: object, width: int) -> list[str]:
    """JSON in lines of about `width`: what fits stays on one line, lists of plain values are filled up."""
    whole = _json(payload)
    if len(whole) <= width or not isinstance(payload, dict | list | tuple) or whole[:1] not in "[{":
        return whole.split("\n")
    if isinstance(payload, dict):
        inner = [_keyed(_json(str(key)), _pretty(value, width - 2)) for key, value in payload.items()]
        return ["{", *_indented(inner), "}"]
    if any(isinstance(item, dict | list | tuple) for item in payload):
        return ["[", *_indented([_pretty(item, width - 2) for item in payload]), "]"]
    return ["[", *(f"  {line}" for line in _filled([_json(item) for item in payload], width - 2)), "]"]


def _keyed(key: str, value: list[str]) -> list[str]:
    return [f"{key}: {value[0]}", *value[1:]]


def _indented(items: list[list[str]]) -> list[str]:
    for item in items[:-1]:
        item[-1] += ","
    return [f"  {line}" for item in items for line in item]


def _filled(items: list[str], width: int) -> list[str]:
    lines = [""]
    for item in (*(f"{item}," for item in items[:-1]), items[-1]):
        if lines[-1] and len(lines[-1]) + 1 + len(item) > width:
            lines.append(item)
        else:
            lines[-1] = f"{lines[-1]} {item}".lstrip()
    return lines


def _json(payload: object) -> str:
    try:
        return json.dumps(payload, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(payload)


def _says_only_the_error(o: Outcome) -> bool:
    if o.ok:
        return False
    return o.payload is None or (isinstance(o.payload, dict) and "errorMessage" in o.payload) or o.trace is None


# --- the error ----------------------------------------------------------------------------------------------


def _where(error: FunctionError) -> list[str]:
    """The frames in the student's own files; frames of libraries are counted, not shown, unless there are no others."""
    frames = carets.marked(error.stack_trace, error.error_type, error.message)
    own = [frame for frame in frames if not _LIBRARY_FRAME.search(frame)]
    shown = own or frames
    left_out = len(error.stack_trace) - len(shown)
    lines = [line for frame in shown for line in words.lines(frame.rstrip("\n"))]
    return [*lines, f"  … {words.count(left_out, 'frame')} in libraries left out"] if left_out else lines


def _reason(o: Outcome) -> str:
    said = f"{o.error.error_type} {o.error.message}" if o.error else ""
    if isinstance(o.payload, dict):
        said += f" {o.payload.get('Reason', '')}"
    named = next((reason for reason in _REASONS if re.search(rf"\b{reason}\b", said)), None)
    return f"{named}: {_REASONS[named]}" if named else ""


def _advice(o: Outcome) -> list[str]:
    if o.ok:
        return []
    kind = (o.error.error_type if o.error else "") or (o.trace.error_type if o.trace else "") or ""
    message = words.clean(o.error.message if o.error else "")
    killed = o.trace is not None and o.trace.error_type == "Runtime.OutOfMemory"
    if o.status is Status.TIMEOUT:
        kind = "Sandbox.Timedout"
    elif o.status is Status.THROTTLED:
        kind = "throttled"
    elif killed or (kind == "Runtime.ExitError" and "signal: killed" in message):
        kind = "Runtime.OutOfMemory"
    advise = _ADVICE.get(kind)
    return [advise(message, o)] if advise else []


def _advise_timeout(message: str, o: Outcome) -> str:
    found = re.search(r"timed out after ([\d.]+) seconds", message)
    if not found:
        return "The call ran into the function's time limit. If it needs longer, deploy it with a higher --timeout."
    limit = float(found[1])
    more = min(900, max(2, round(2 * limit)))
    ends = f"The limit is {limit:g} s per call."
    return f"{ends} If the work needs longer, deploy it with more time, such as --timeout {more}."


def _advise_memory(message: str, o: Outcome) -> str:
    if o.trace is None:
        return "The process was killed, most likely at its memory limit. Deploy it with more, such as --memory 512."
    more = min(10_240, 2 * o.trace.memory_mb)
    return (
        f"The process was killed because it used more than its limit of {o.trace.memory_mb:,} MB."
        f" Deploy it with more, such as --memory {more}."
    )


def _advise_import(message: str, o: Outcome) -> str:
    found = re.search(r"No module named '([^']+)'", message)
    if not found:
        return "An import failed while the handler's module was loaded; the message says which."
    module = found[1]
    package = _DISTRIBUTIONS.get(module.partition(".")[0], module.partition(".")[0])
    return (
        f"The module `{module}` is missing. If it is a package, install it with %pip install {package}"
        " and deploy again; if it is a file of your own, ship it with --include."
    )


def _always(sentence: str) -> Callable[[str, Outcome], str]:
    return lambda message, o: sentence


_ADVICE: dict[str, Callable[[str, Outcome], str]] = {
    "Sandbox.Timedout": _advise_timeout,
    "Runtime.OutOfMemory": _advise_memory,
    "Runtime.ImportModuleError": _advise_import,
    "Runtime.UserCodeSyntaxError": _always("Python could not read the handler's file; correct the line that it names."),
    "Runtime.HandlerNotFound": _always("The module has no such function; name one that it defines with --handler."),
    "Runtime.MalformedHandlerName": _always("A handler is named module.function, such as predict.handler."),
    "Runtime.MarshalError": _always(
        "A handler returns what JSON knows: dict, list, str, int, float, bool, None. For a numpy array: x.tolist()."
    ),
    "Runtime.ExitError": _always(
        "The handler's process ended before it answered. Does the code call sys.exit(), or does a library crash?"
    ),
    "Function.ResponseSizeTooLarge": _always(
        "An answer may have 6 MB. Put large results into an object store and return their key."
    ),
    "throttled": _always("Nothing ran and nothing is billed. Try again, send fewer calls at once, or raise the limit."),
}


# --- the log ------------------------------------------------------------------------------------------------


def _log(o: Outcome) -> list[str]:
    lines = words.lines(_without_error_block(o.log_tail, o.error))
    kept = [line for line in lines if not _repeats(line, o)]
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _repeats(line: str, o: Outcome) -> bool:
    if o.status is Status.TIMEOUT and "Task timed out after" in line:
        return True
    if line.startswith("REPORT ") and o.trace is None:
        return False
    if record := _PLATFORM_RECORD.match(line):
        return _says_nothing_new(record[1], line, o)
    if o.error and line.startswith('{"timestamp":'):
        return _is_the_error(line, o.error)
    warning = line.startswith("LAMBDA_WARNING: Unhandled exception.")
    return warning or bool(_PLATFORM_LINE.match(line) or _GOOD_INIT_REPORT.match(line))


def _says_nothing_new(kind: str, line: str, o: Outcome) -> bool:
    """Of the platform's JSON records: a report that no trace repeats is kept, and an init that failed."""
    if kind == "initReport":
        return '"status":"success"' in line
    return kind != "report" or o.trace is not None


def _is_the_error(line: str, error: FunctionError) -> bool:
    """Whether a JSON line is the runtime's own copy of the error."""
    try:
        said = json.loads(line)
    except ValueError:
        return False
    return "message" not in said and (said.get("errorType"), said.get("errorMessage")) == (
        error.error_type,
        error.message,
    )


def _without_error_block(log: str, error: FunctionError | None) -> str:
    """The log without the runtime's own copy of the error: `[ERROR] Type: message`, then indented frames."""
    if error is None:
        return log
    log = log.replace("\r\n", "\n").replace("\r", "\n")
    head = re.escape(f"[ERROR] {error.error_type}: {error.message}")
    # the runtime indents its frames by no-break spaces, which a print hardly ever begins with
    return re.sub(rf"^{head}\n?(?:Traceback \(most recent call last\):\n?)?(?:\xa0.*\n?)*", "", log, flags=re.MULTILINE)
