"""Section 3: the life of an execution environment."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from labkit.conformance.behaviour import Behaviour, Pattern, Place, Source
from labkit.conformance.logs import snap_started
from labkit.conformance.trial import ECHO, RUNTIME, Trial

SECTION = "3. Life of an execution environment"
SLOW_INIT = "import time\ntime.sleep(30)\n" + ECHO
INIT_REPORT = r"INIT_REPORT Init Duration: {} ms\tPhase: {}\tStatus: {}"
ALIVE = "import os, tempfile, time\nPID = os.getpid()\nNOTE = os.path.join(tempfile.gettempdir(), 'note')\n"
BACKGROUND = """
import threading, time
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.005)
def handler(event, context):
    if event == "start":
        threading.Thread(target=tick, daemon=True).start()
        time.sleep(0.05)
    return [len(ticks), time.monotonic()]
"""
SURVIVOR = (
    ALIVE + "def handler(event, context):\n"
    "    if event == 'note':\n"
    "        open(NOTE, 'w').write(str(PID))\n"
    "        return PID\n"
    "    if event == 'exit': os._exit(1)\n"
    "    if event == 'sleep': time.sleep(60)\n"
    "    if event == 'raise': raise ValueError('no')\n"
    "    return [os.path.exists(NOTE), PID]\n"
)
CLEANS_UP = """
import os, signal, sys
def clean_up(number, frame):
    open(os.environ["NOTE"], "w").close()
    sys.exit(0)
signal.signal(signal.SIGTERM, clean_up)
def handler(event, context): return 1
"""
EXTENSION = """#!/usr/bin/env python3
import http.client, json, os, time
def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    headers = {"Lambda-Extension-" + name: value for name, value in headers.items()}
    connection.request(method, "/2020-01-01/extension/" + path, body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer
me = call("POST", "register", json.dumps({"events": ["SHUTDOWN"]}), Name=os.path.basename(__file__))
call("GET", "event/next", Identifier=me.getheader("Lambda-Extension-Identifier"))
"""
FACTS = """
import os, resource, shutil, stat, tempfile
def handler(event, context):
    folder = tempfile.gettempdir()
    return {
        "variables": dict(os.environ),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "processes": resource.getrlimit(resource.RLIMIT_NPROC)[0],
        "stack": resource.getrlimit(resource.RLIMIT_STACK)[0],
        "tmp mode": oct(stat.S_IMODE(os.stat(folder).st_mode)),
        "tmp": shutil.disk_usage(folder).total // 1_000_000,
        "memory": context.memory_limit_in_mb,
        "identity": hasattr(context.identity, "cognito_identity_id"),
        "client context": context.client_context,
    }
"""


def facts(trial: Trial) -> dict[str, Any]:
    """Scene: what a handler sees around it."""
    trial.create(FACTS)
    found: dict[str, Any] = trial.invoke().payload
    return found


def fact(name: str) -> Callable[[Trial], object]:
    return lambda trial: trial.scene(facts)[name]


def variable(name: str) -> Callable[[Trial], object]:
    return lambda trial: trial.scene(facts)["variables"].get(name)


def function_name(trial: Trial) -> object:
    """AWS_LAMBDA_FUNCTION_NAME, and the group that is named after it: whether both are the function's."""
    trial.create("import os\ndef handler(event, context): return [os.environ[name] for name in event]")
    name, group = trial.invoke(["AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_LOG_GROUP_NAME"]).payload
    return [name == trial.name, group == f"/aws/lambda/{trial.name}"]


def leaked(trial: Trial) -> object:
    """The variables of this machine that a handler sees with their values from here."""
    seen = trial.scene(facts)["variables"]
    return sorted(name for name, value in os.environ.items() if seen.get(name) == value and name not in COMMON)


def one_at_a_time(trial: Trial) -> object:
    """How many environments two overlapping requests meet."""
    trial.create("import time\ndef handler(event, context):\n    time.sleep(0.5)\n    return context.log_stream_name")
    streams: list[object] = []
    other = trial.beside(lambda: streams.append(trial.invoke().payload))
    streams.append(trial.invoke().payload)
    other.join()
    return len(set(streams))


def frozen(trial: Trial) -> tuple[bool, bool]:
    """Scene: whether a background thread stops between two requests, and goes on with the next one."""
    trial.create(BACKGROUND)
    before = trial.invoke("start").payload[0]
    time.sleep(0.5)  # a hundred ticks of a thread that runs on
    between = trial.invoke().payload[0]
    time.sleep(0.1)
    after = trial.invoke().payload[0]
    return between - before < 30, after >= between > 0


def slow_init(trial: Trial) -> tuple[Any, list[str]]:
    """Scene: an init that does not end: the payload, and the log's lines of the platform."""
    trial.create(SLOW_INIT, Timeout=1)
    payload = trial.invoke().masked
    return payload, [line for line in trial.log().splitlines() if line]


def init_report(index: int) -> Callable[[Trial], object]:
    def probe(trial: Trial) -> object:
        return [line for line in trial.scene(slow_init)[1] if line.startswith("INIT_REPORT")][index]

    return probe


def failing_import(trial: Trial) -> object:
    """The platform's lines until START."""
    trial.create("print('imported')\nraise ValueError('no')\n")
    trial.invoke()
    lines = [
        line.split("\tStatus")[0] for line in trial.log().splitlines() if line.startswith(("INIT_R", "START", "im"))
    ]
    return [line.split("\t")[-1].split(" RequestId")[0] for line in lines]


def after(event: str, timeout_s: int = 10) -> Callable[[Trial], object]:
    """What the next call finds: whether /tmp has its file, and whether the process is the same."""

    def probe(trial: Trial) -> object:
        trial.create(SURVIVOR, Timeout=timeout_s)
        pid = trial.invoke("note").payload
        trial.invoke(event)
        kept, now = trial.invoke().payload
        return {"file": kept, "process": now == pid}

    return probe


def second_init(trial: Trial) -> object:
    """An init of 0.5 s before a handler of 0.6 s, both under a timeout of 1 s: at first, and after a crash."""
    trial.create(
        "import os, time\ntime.sleep(0.5)\ndef handler(event, context): os._exit(1) if event else time.sleep(0.6)",
        Timeout=1,
    )
    first = trial.invoke(0)
    trial.invoke(1)
    return [first.function_error, trial.invoke(0).payload["errorType"]]


def slow_provisioned_init(trial: Trial) -> object:
    """How the provisioning of a version ends whose init takes longer than the 10 s of others."""
    trial.create("import time\ntime.sleep(10.5)\n" + ECHO, Publish=True)
    trial.aws.put_provisioned_concurrency_config(
        FunctionName=trial.name, Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    return provisioned_status(trial)


def provisioned_status(trial: Trial) -> object:
    def ended() -> str | None:
        said = trial.aws.get_provisioned_concurrency_config(FunctionName=trial.name, Qualifier="1")["Status"]
        return None if said == "IN_PROGRESS" else str(said)

    trial.wait(ended)
    return ended()


def initialization_type(trial: Trial) -> object:
    """On a version with provisioned concurrency."""
    trial.create("import os\ndef handler(event, context): return os.environ[event]", Publish=True)
    trial.aws.put_provisioned_concurrency_config(
        FunctionName=trial.name, Qualifier="1", ProvisionedConcurrentExecutions=1
    )
    provisioned_status(trial)
    return trial.invoke("AWS_LAMBDA_INITIALIZATION_TYPE", Qualifier="1").payload


def cleaned_up(*, extension: bool) -> Callable[[Trial], object]:
    """Whether a runtime's handler of SIGTERM runs when its environment is shut down."""

    def probe(trial: Trial) -> object:
        with tempfile.TemporaryDirectory() as folder:
            note = Path(folder) / "note"
            layers = [trial.layer({"extensions/polite": EXTENSION})] if extension else []
            trial.create(CLEANS_UP, Layers=layers, **trial.variables(NOTE=str(note)))
            trial.invoke()
            trial.environments_end()
            return note.exists()

    return probe


def stubborn(trial: Trial) -> object:
    """Whether an extension that ignores its shutdown is there for longer than 2 s (and a second of ours)."""
    trial.create(Layers=[trial.layer({"extensions/stubborn": EXTENSION + "time.sleep(60)\n"})])
    trial.invoke()
    begun = time.monotonic()
    trial.environments_end()
    return time.monotonic() - begun > 3


def client_context_when_sent(trial: Trial) -> object:
    trial.create("def handler(event, context): return context.client_context is not None")
    return trial.invoke(ClientContext="e30=").payload


def row(
    claim: str,
    source: Source,
    expected: object,
    probe: Callable[[Trial], object],
    *,
    excuse: str = "",
    slow: bool = False,
) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe, excuse=excuse, slow=slow)


REC, DOC, RIC, LOG = Source.REC, Source.DOC, Source.RIC, Source.LOG
COMMON = {"LANG", "TZ", "PATH", "AWS_REGION", "AWS_DEFAULT_REGION", "SHLVL"}
VARIABLES: dict[str, str] = {
    "AWS_EXECUTION_ENV": f"AWS_Lambda_{RUNTIME}",
    "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
    "AWS_LAMBDA_LOG_STREAM_NAME": Pattern(r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"),
    "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": Pattern(r"ASIA[A-Z2-7]{16}"),
    "AWS_SECRET_ACCESS_KEY": Pattern(r"\S{40}"),
    "AWS_SESSION_TOKEN": Pattern(r"\S+"),
    "LAMBDA_TASK_ROOT": Pattern(r".*/task"),
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "_HANDLER": "app.handler",
    "TZ": ":UTC",
    "LANG": "en_US.UTF-8",
    "PATH": Pattern(r"(.+:)?/usr/local/bin:/usr/bin/:/bin:/opt/bin"),
    "LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "PYTHONPATH": Pattern(r".+"),
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": Pattern(r"[\d.]+:\d+"),  # on AWS the port is 2000
    "_AWS_XRAY_DAEMON_PORT": Pattern(r"\d+"),
}
BEHAVIOURS = (
    row("one environment serves one request at a time", REC, 2, one_at_a_time),
    row("frozen after the response: background threads stop", REC, True, lambda trial: trial.scene(frozen)[0]),
    row("thawed for the next request", REC, True, lambda trial: trial.scene(frozen)[1]),
    row(
        "init is limited to 10 s",
        LOG,
        Pattern(INIT_REPORT.format(r"(9999|10\d\d\d)\.\d\d", "init", "timeout")),
        init_report(0),
        slow=True,
    ),
    row(
        "an init that overruns is run again under the function's timeout",
        LOG,
        Pattern(INIT_REPORT.format(r"(999|1\d\d\d)\.\d\d", "invoke", "timeout")),
        init_report(1),
    ),
    row(
        "an init that overruns twice is a timeout of the function",
        REC,
        {"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: ID Error: Task timed out after 1.00 seconds"},
        lambda trial: trial.scene(slow_init)[0],
    ),
    row(
        "a failing import runs twice, before START",
        LOG,
        ["imported", "Phase: init", "imported", "Phase: invoke", "START"],
        failing_import,
    ),
    row("provisioned init may take longer than 10 s", DOC, "READY", slow_provisioned_init, slow=True),
    row("an exception keeps the process", REC, {"file": True, "process": True}, after("raise")),
    row(
        "after a timeout /tmp is kept and the process is not", REC, {"file": True, "process": False}, after("sleep", 1)
    ),
    row("after a crash /tmp is kept and the process is not", REC, {"file": True, "process": False}, after("exit")),
    row("the init after a crash counts against the next call's timeout", REC, [None, "Sandbox.Timedout"], second_init),
    row("shutdown without extensions: killed at once, no SIGTERM", DOC, False, cleaned_up(extension=False)),
    row("shutdown with extensions: SIGTERM first", DOC, True, cleaned_up(extension=True)),
    Behaviour(SECTION, "shutdown with extensions: SIGKILL after at most 2 s", DOC, False, stubborn, place=Place.ALONE),
    row("AWS_LAMBDA_FUNCTION_NAME and _LOG_GROUP_NAME", REC, [True, True], function_name),
    *(row(name, REC, value, variable(name)) for name, value in VARIABLES.items()),
    row("initialization type of provisioned environments", REC, "provisioned-concurrency", initialization_type),
    row("initialization type of a SnapStart version", REC, "snap-start", lambda trial: trial.scene(snap_started)[0]),
    row("nothing of the host's environment leaks in", REC, [], leaked),
    row("1,024 open files", REC, 1024, fact("open files")),
    row(
        "742 processes",
        REC,
        742,
        fact("processes"),
        excuse="The kernel counts a user's processes together, and all environments belong to one user.",
    ),
    row("8 MiB of stack", REC, 8 * 1024 * 1024, fact("stack")),
    row("/tmp has mode 1777", REC, "0o1777", fact("tmp mode")),
    row(
        "/tmp has 512 MB",
        REC,
        Pattern(r"5\d\d"),
        lambda trial: str(trial.scene(facts)["tmp"]),
        excuse="A limit for a folder needs a file system of its own, which only root can mount.",
    ),
    row("context.memory_limit_in_mb is a text", RIC, "128", fact("memory")),
    row("context.identity is always there", RIC, True, fact("identity")),
    row("context.client_context is None when none was sent", RIC, None, fact("client context")),
    row("context.client_context is there when one was sent", RIC, True, client_context_when_sent),
)
