"""Section 1: Invoke on the wire."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

from labkit.conformance.behaviour import UUID4, Behaviour, Pattern, Place, Source
from labkit.conformance.trial import ECHO, Answer, Trial

SECTION = "1. Invoke on the wire"
ACCOUNT = "123456789012"
ARN = f"arn:aws:lambda:us-east-1:{ACCOUNT}:function:"
FAILURES = {
    "a raised exception": "def handler(event, context): raise ValueError('no')",
    "an error at init": "raise ValueError('no')",
    "an exit": "import os\ndef handler(event, context): os._exit(1)",
    "an oversize response": "def handler(event, context): return 'x' * 6_300_000",
    "a timeout": "import time\ndef handler(event, context): time.sleep(60)",
}


def echoed(trial: Trial) -> Answer:
    """Scene: a successful call of a handler that returns its event."""
    trial.create(ECHO)
    return trial.invoke({"n": 1})


def addressed(form: str, query: str = "") -> Callable[[Trial], object]:
    """Whether a function answers to a form of its name."""

    def probe(trial: Trial) -> object:
        trial.create()
        path = f"/2015-03-31/functions/{form.format(name=trial.name)}/invocations{query}"
        answer = trial.request("POST", path, b"7")
        return [answer.status, answer.text]

    return probe


def client_context(trial: Trial) -> object:
    trial.create("def handler(event, context): return context.client_context.custom")
    sent = base64.b64encode(b'{"custom": {"k": "v"}}').decode()
    return trial.invoke(ClientContext=sent).payload


def failed_status(trial: Trial) -> object:
    trial.create(FAILURES["a raised exception"])
    return trial.invoke().status


def event_answer(trial: Trial) -> object:
    trial.create()
    answer = trial.send()
    return [answer.status, answer.text]


def dry_run(trial: Trial) -> object:
    trial.create()
    answer = trial.invoke(InvocationType="DryRun")
    return [answer.status, answer.text]


def dry_run_runs(trial: Trial) -> object:
    dry_run(trial)
    return trial.lab.logs(trial.name)


def none_answer(trial: Trial) -> object:
    trial.create("def handler(event, context): pass")
    return trial.invoke().text


def function_error(source: str) -> Callable[[Trial], object]:
    def probe(trial: Trial) -> object:
        trial.create(source, Timeout=1 if "sleep" in source else 10, MemorySize=256)
        return trial.invoke().function_error

    return probe


def lookalike(trial: Trial) -> object:
    trial.create("def handler(event, context): return {'errorType': 'x'}")
    answer = trial.invoke()
    return [answer.function_error, answer.payload]


def endpoint_decides(trial: Trial) -> object:
    """Posts something harmless to the Runtime API's endpoint for errors."""
    trial.create(
        "import http.client, os\n"
        "def handler(event, context):\n"
        "    connection = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])\n"
        "    connection.request('POST', f'/2018-06-01/runtime/invocation/{context.aws_request_id}/error', '{}')\n"
        "    connection.getresponse().read()\n"
        "    os._exit(0)\n"
    )
    answer = trial.invoke()
    return [answer.function_error, answer.text]


def tail_lines(trial: Trial) -> object:
    return [line.split()[0] for line in trial.scene(echoed).tail.splitlines()]


def long_tail(trial: Trial) -> object:
    trial.create("def handler(event, context): print('x' * 9_000)")
    tail = trial.invoke().tail
    return [len(tail.encode()), tail.splitlines()[-1].split()[0]]


def tail_unasked(trial: Trial) -> object:
    trial.create()
    return "x-amz-log-result" in trial.invoke(LogType=None).headers


def unknown_function(trial: Trial) -> object:
    return trial.refusal("invoke", FunctionName="nobody")


def unknown_function_body(trial: Trial) -> object:
    answer = trial.request("POST", "/2015-03-31/functions/nobody/invocations", b"{}")
    return [answer.headers.get("x-amzn-errortype"), answer.payload]


def no_json(trial: Trial) -> object:
    trial.create()
    return trial.refusal("invoke", Payload=b"{oops")


def reserved_throttle(trial: Trial) -> object:
    trial.create()
    trial.aws.put_function_concurrency(FunctionName=trial.name, ReservedConcurrentExecutions=0)
    return trial.refusal("invoke")


def account_throttle(trial: Trial) -> object:
    """On an account for one environment, which is busy."""
    trial.create("import time\ndef handler(event, context): time.sleep(1)")
    trial.create(name=f"{trial.name}-other")
    busy = trial.beside(trial.invoke)
    trial.wait(lambda: [each for each in trial.environments() if each["phase"] == "invoke"])
    said = trial.refusal("invoke", FunctionName=f"{trial.name}-other")
    busy.join()
    return said


def requests_per_second(trial: Trial) -> object:
    """How many of 40 calls in well under a second are refused where one environment is reserved (10 per second)."""
    trial.create()
    trial.aws.put_function_concurrency(FunctionName=trial.name, ReservedConcurrentExecutions=1)
    trial.invoke()
    begun = time.monotonic()
    refused = [trial.refusal("invoke").get("reason", "") for _ in range(40)]
    return sorted(set(filter(None, refused))) if time.monotonic() - begun < 2 else []


def one_request_id(trial: Trial) -> object:
    trial.create("def handler(event, context): return context.aws_request_id")
    answer = trial.invoke()
    lines = [line for line in answer.tail.splitlines() if line.split()[0] in ("START", "END", "REPORT")]
    in_log = [line.split("RequestId: ")[1].split()[0] for line in lines]
    return [id_ == answer.request_id for id_ in (answer.payload, *in_log)]


def throttled(reason: str) -> dict[str, object]:
    return {
        "status": 429,
        "code": "TooManyRequestsException",
        "message": "Rate Exceeded.",
        "type": "User",
        "reason": reason,
    }


def row(claim: str, source: Source, expected: object, probe: Callable[[Trial], object]) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe)


REC, API = Source.REC, Source.API
UNKNOWN = f"Function not found: {ARN}nobody:$LATEST"
BEHAVIOURS = (
    row("POST …/functions/NAME/invocations", API, [200, "7"], addressed("{name}")),
    row("a partial ARN names a function", API, [200, "7"], addressed(ACCOUNT + ":function:{name}")),
    row("an ARN names a function", API, [200, "7"], addressed(ARN + "{name}")),
    row("an ARN with a qualifier names a version", API, [200, "7"], addressed(ARN + "{name}:$LATEST")),
    row("?Qualifier= names a version", API, [200, "7"], addressed("{name}", "?Qualifier=%24LATEST")),
    row("X-Amz-Client-Context, base64 JSON, reaches the handler", API, {"k": "v"}, client_context),
    row(
        "X-Amz-Executed-Version",
        API,
        "$LATEST",
        lambda trial: trial.scene(echoed).headers.get("x-amz-executed-version"),
    ),
    row("x-amzn-RequestId is a UUIDv4", REC, Pattern(UUID4), lambda trial: trial.scene(echoed).request_id),
    row("RequestResponse answers 200", REC, [200, '{"n": 1}'], lambda trial: _status_and_text(trial.scene(echoed))),
    row("RequestResponse answers 200 when the function failed too", REC, 200, failed_status),
    row("Event answers 202 with an empty body", REC, [202, ""], event_answer),
    row("DryRun answers 204 with an empty body", REC, [204, ""], dry_run),
    row("DryRun runs nothing: no log stream", REC, [], dry_run_runs),
    row("a handler that returns None answers null", REC, "null", none_answer),
    *(
        row(f"X-Amz-Function-Error after {how}", REC, "Unhandled", function_error(source))
        for how, source in FAILURES.items()
    ),
    row("no X-Amz-Function-Error after a success", REC, None, lambda trial: trial.scene(echoed).function_error),
    row("a returned object that looks like an error is a success", REC, [None, {"errorType": "x"}], lookalike),
    row("the Runtime API's endpoint decides what is an error", REC, ["Unhandled", "{}"], endpoint_decides),
    row("LogResult has START, END and REPORT", REC, ["START", "END", "REPORT"], tail_lines),
    row("LogResult has the last 4 KB", REC, [4096, "REPORT"], long_tail),
    row("LogResult only for LogType=Tail", REC, False, tail_unasked),
    row(
        "unknown function",
        REC,
        {"status": 404, "code": "ResourceNotFoundException", "message": UNKNOWN, "type": "User"},
        unknown_function,
    ),
    row(
        "unknown function: the body has Type and Message",
        REC,
        ["ResourceNotFoundException", {"Type": "User", "Message": UNKNOWN}],
        unknown_function_body,
    ),
    row(
        "a body that is no JSON",
        REC,
        {
            "status": 400,
            "code": "InvalidRequestContentException",
            "message": Pattern("Could not parse request body into json: Could not parse payload into json: .+"),
            "type": "User",
        },
        no_json,
    ),
    row(
        "throttled by the function's own pool",
        REC,
        throttled("ReservedFunctionConcurrentInvocationLimitExceeded"),
        reserved_throttle,
    ),
    Behaviour(
        SECTION,
        "throttled by the account's pool",
        REC,
        throttled("ConcurrentInvocationLimitExceeded"),
        account_throttle,
        place=Place.SMALL,
    ),
    Behaviour(
        SECTION,
        "throttled by requests per second: ten for each environment",
        API,
        ["ReservedFunctionInvocationRateLimitExceeded"],
        requests_per_second,
        excuse="Only environments are counted here, not requests per second.",
    ),
    Behaviour(
        SECTION,
        "throttled by a caller's rate, or by snapshots being made",
        API,
        ["CallerRateLimitExceeded", "ConcurrentSnapshotCreateLimitExceeded"],
        lambda trial: [],
        excuse="The API of a lab has no rate of its own to exceed, and snapshots may be made all at once.",
    ),
    row("one request id in header, context, START, END and REPORT", REC, [True] * 4, one_request_id),
)


def _status_and_text(answer: Answer) -> list[object]:
    return [answer.status, answer.text]
