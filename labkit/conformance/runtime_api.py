"""Section 2, the Runtime API, asked from inside a handler."""

from __future__ import annotations

import json
from collections.abc import Callable

from labkit.conformance.behaviour import Behaviour, Pattern, Source
from labkit.conformance.trial import Trial

SECTION = "2. Runtime API"
CALL = """
import http.client, json, os

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    return [answer.status, json.loads(answer.read() or "null")]

"""
OUT_OF_ORDER = "State transition from {} to {} failed for runtime. Error: State transition is not allowed"


def answered(path: str, body: str = "'{}'") -> Callable[[Trial], object]:
    """What a call from inside the handler answers: its status and error type."""

    def probe(trial: Trial) -> object:
        trial.create(
            CALL + "def handler(event, context):\n"
            f"    status, said = call('POST', {path!r}.format(id=context.aws_request_id), {body})\n"
            "    return [status, said.get('errorType')]\n",
            MemorySize=256,
        )
        return trial.invoke().payload

    return probe


def printed(source: str) -> Callable[[Trial], object]:
    """What the handler prints as `said JSON` after it has answered by itself."""

    def probe(trial: Trial) -> object:
        trial.create(CALL + source, MemorySize=256)
        trial.invoke()
        return json.loads(trial.log_line("said ").removeprefix("said "))

    return probe


def responded(size: int, then: str) -> str:
    """A handler that answers by itself, `size` bytes, and does one thing more with the path."""
    return (
        "def handler(event, context):\n"
        "    path = f'invocation/{context.aws_request_id}/response'\n"
        f"    first = call('POST', path, '\"' + 'x' * {size - 2} + '\"')\n"
        f"    print('said', json.dumps({then}), flush=True)\n"
    )


def unknown_type(trial: Trial) -> object:
    trial.create(
        CALL + "def handler(event, context):\n"
        "    headers = {'Lambda-Runtime-Function-Error-Type': 'Boom'}\n"
        "    call('POST', f'invocation/{context.aws_request_id}/error', '{}', **headers)\n"
        "    os._exit(0)\n"
    )
    trial.invoke()
    return trial.log_line("REPORT").rpartition("Error Type: ")[2]


def address(trial: Trial) -> object:
    trial.create("import os\ndef handler(event, context): return os.environ['AWS_LAMBDA_RUNTIME_API']")
    return trial.invoke().payload


def row(claim: str, source: Source, expected: object, probe: Callable[[Trial], object]) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe)


REC = Source.REC
BEHAVIOURS = (
    row("a response is answered 202", REC, 202, printed(responded(9, "first[0]"))),
    row(
        "a second response is out of order",
        REC,
        [
            403,
            {
                "errorMessage": OUT_OF_ORDER.format("ResponseSent", "InvocationResponse"),
                "errorType": "InvalidStateTransition",
            },
        ],
        printed(responded(9, "call('POST', path, '2')")),
    ),
    row("an init error after the init is out of order", REC, [403, "InvalidStateTransition"], answered("init/error")),
    row(
        "a response that is too large",
        REC,
        [413, "RequestEntityTooLarge"],
        printed(responded(6_300_000, "[first[0], first[1]['errorType']]")),
    ),
    row(
        "a response for another request",
        REC,
        [400, "InvalidRequestID"],
        answered("invocation/00000000-0000-4000-8000-000000000000/response"),
    ),
    row("an error type of no known family is Runtime.Unknown", REC, "Runtime.Unknown", unknown_type),
    row("AWS_LAMBDA_RUNTIME_API is host and port, no path", Source.RIC, Pattern(r"[\w.]+:\d+"), address),
)
