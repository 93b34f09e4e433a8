"""What a caller of Invoke gets for every way to fail, byte for byte, and what the Runtime API refuses.

The payloads are those recorded on AWS and those of its Python client; what differs by machine is only the folder of
the standard library in the frames of importlib, which on AWS is /var/lang/lib/python3.13.
"""

from __future__ import annotations

import io
import json
import zipfile

import pytest

pytestmark = pytest.mark.process

GOOD = "def handler(event, context): return event\n"


@pytest.fixture
def failing(aws):
    """Invokes a handler; returns what came back, and its payload as text with the request id replaced."""

    def invoke(source, handler="app.handler", payload=b"{}", **config):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("app.py"), source)
        aws.create_function(
            FunctionName="f", Runtime="python3.13", Role="arn:aws:iam::123456789012:role/r", Handler=handler,
            Code={"ZipFile": buffer.getvalue()}, **{"Timeout": 10, **config},
        )  # fmt: skip
        answer = aws.invoke(FunctionName="f", Payload=payload)
        request_id = answer["ResponseMetadata"]["RequestId"]
        return answer, answer["Payload"].read().decode().replace(request_id, "ID")

    return invoke


def error(message, error_type, *, request_id="", trace=()):
    """A payload as awslambdaric writes it."""
    said = {"errorMessage": message, "errorType": error_type, "requestId": request_id, "stackTrace": list(trace)}
    return json.dumps(said, ensure_ascii=False)


@pytest.mark.parametrize(
    ("source", "handler", "expected"),
    [
        pytest.param(
            "import helper_that\n" + GOOD,
            "app.handler",
            error("Unable to import module 'app': No module named 'helper_that'", "Runtime.ImportModuleError"),
            id="module missing",
        ),
        pytest.param(
            "def handler(event, context) return 1\n",
            "app.handler",
            error(
                "Syntax error in module 'app': expected ':' (app.py, line 1)",
                "Runtime.UserCodeSyntaxError",
                trace=['  File "/var/task/app.py" Line 1\n    def handler(event, context) return 1\n'],
            ),
            id="syntax error",
        ),
        pytest.param(
            "x = 1\n",
            "app.handler",
            error("Handler 'handler' missing on module 'app'", "Runtime.HandlerNotFound"),
            id="function missing",
        ),
        pytest.param(
            GOOD,
            "app",
            error("Bad handler 'app': not enough values to unpack (expected 2, got 1)", "Runtime.MalformedHandlerName"),
            id="no dot",
        ),
        pytest.param(
            GOOD,
            "sys.handler",
            error("Cannot use built-in module sys as a handler module", "Runtime.BuiltInModuleConflict"),
            id="built-in module",
        ),
        pytest.param(
            "def handler(event, context): return {1}\n",
            "app.handler",
            error(
                "Unable to marshal response: Object of type set is not JSON serializable",
                "Runtime.MarshalError",
                request_id="ID",
            ),
            id="result not serialisable",
        ),
        pytest.param(
            "class Odd(Exception): pass\ndef handler(event, context):\n    raise Odd('ü') from KeyError(1)\n",
            "app.handler",
            error(
                "ü",
                "Odd",
                request_id="ID",
                trace=["  File \"/var/task/app.py\", line 3, in handler\n    raise Odd('ü') from KeyError(1)\n"],
            ),
            id="exception in the handler",
        ),
    ],
)
def test_what_the_client_reports_comes_back_as_it_was_written(failing, source, handler, expected):
    answer, payload = failing(source, handler)
    assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
    assert payload == expected


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("import sys; sys.exit()", "Runtime exited without providing a reason"),
        ("import os; os._exit(7)", "Runtime exited with error: exit status 7"),
        ("import os; os.kill(os.getpid(), 9)", "Runtime exited with error: signal: killed"),
        ("import os; os.kill(os.getpid(), 15)", "Runtime exited with error: signal: terminated"),
    ],
)
def test_what_the_platform_reports_has_no_stack(failing, statement, words):
    answer, payload = failing(f"def handler(event, context): {statement}")
    assert answer["FunctionError"] == "Unhandled"
    assert payload == json.dumps({"errorType": "Runtime.ExitError", "errorMessage": f"RequestId: ID Error: {words}"})


def test_a_response_that_is_too_large_is_the_functions_error(failing):
    answer, payload = failing("def handler(event, context): return 'x' * 6_300_000", MemorySize=512)
    assert answer["FunctionError"] == "Unhandled"
    assert json.loads(payload) == {
        "errorType": "Function.ResponseSizeTooLarge",
        "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
    }


def test_an_exception_while_importing_keeps_importlibs_frames(failing):
    _, payload = failing("def boom():\n    raise ValueError('no')\nboom()\n" + GOOD)
    said = json.loads(payload)
    assert (said["errorMessage"], said["errorType"], said["requestId"]) == ("no", "ValueError", "")
    first, *others = said["stackTrace"]
    assert "importlib/__init__.py" in first
    assert first.endswith("in import_module\n    return _bootstrap._gcd_import(name[level:], package, level)\n")
    assert all("frozen importlib" in line for line in others[:-2])
    assert others[-2:] == [
        '  File "/var/task/app.py", line 3, in <module>\n    boom()\n',
        "  File \"/var/task/app.py\", line 2, in boom\n    raise ValueError('no')\n",
    ]


def test_a_result_that_looks_like_an_error_is_a_success(failing):
    answer, payload = failing("def handler(event, context): return {'errorType': 'Runtime.X', 'errorMessage': 'y'}")
    assert "FunctionError" not in answer
    assert payload == '{"errorType": "Runtime.X", "errorMessage": "y"}'


# --- the Runtime API, from inside

CALL = """
import http.client, json, os

def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    connection.request(method, "/2018-06-01/runtime/" + path, body, headers)
    answer = connection.getresponse()
    body = answer.read()
    return [answer.status, json.loads(body), answer.getheader("Lambda-Runtime-Aws-Request-Id")]

"""
NOT_ALLOWED = "Error: State transition is not allowed"


def refusals(lab):
    lines = "".join(text for _, text in lab.logs("f")).splitlines()
    return [json.loads(line.removeprefix("said ")) for line in lines if line.startswith("said ")]


def test_a_second_response_is_out_of_order(failing, lab, wait_until):
    source = CALL + (
        "def handler(event, context):\n"
        "    path = f'invocation/{context.aws_request_id}/response'\n"
        "    call('POST', path, '1')\n"
        "    print('said', json.dumps(call('POST', path, '2')), flush=True)\n"
    )
    answer, payload = failing(source)
    assert ("FunctionError" in answer, payload) == (False, "1")
    wait_until(lambda: refusals(lab))
    status, said, _ = refusals(lab)[0]
    words = f"State transition from ResponseSent to InvocationResponse failed for runtime. {NOT_ALLOWED}"
    assert (status, said) == (403, {"errorMessage": words, "errorType": "InvalidStateTransition"})


@pytest.mark.parametrize(
    ("path", "status", "error_type"),
    [
        ("init/error", 403, "InvalidStateTransition"),
        ("invocation/00000000-0000-4000-8000-000000000000/response", 400, "InvalidRequestID"),
        ("invocation/00000000-0000-4000-8000-000000000000/error", 400, "InvalidRequestID"),
    ],
)
def test_a_call_at_the_wrong_time_or_for_another_request_is_refused(failing, path, status, error_type):
    _, payload = failing(CALL + f"def handler(event, context): return call('POST', {path!r}, '{{}}')[:2]\n")
    said_status, said = json.loads(payload)
    assert (said_status, said["errorType"]) == (status, error_type)


def test_a_response_before_the_first_event_is_refused(failing):
    source = (
        CALL + "early = call('POST', 'invocation/r1/response', '1')\ndef handler(event, context): return early[0]\n"
    )
    assert failing(source)[1] == "400"


def test_asking_for_the_next_event_in_the_middle_gives_the_same_one_again(failing):
    source = CALL + "def handler(event, context): return call('GET', 'invocation/next')[1:]\n"
    answer, payload = failing(source, payload=b'{"n": 1}')
    assert "FunctionError" not in answer
    assert json.loads(payload) == [{"n": 1}, "ID"]


def test_an_error_type_of_no_known_family_is_unknown(failing, lab):
    source = CALL + (
        "def handler(event, context):\n"
        "    headers = {'Lambda-Runtime-Function-Error-Type': 'Boom'}\n"
        "    call('POST', f'invocation/{context.aws_request_id}/error', '{}', **headers)\n"
        "    os._exit(0)\n"
    )
    answer, payload = failing(source)
    assert (answer["FunctionError"], payload) == ("Unhandled", "{}")
    report = next(line for line in lab.logs("f")[0][1].splitlines() if line.startswith("REPORT"))
    assert report.endswith("Status: error\tError Type: Runtime.Unknown")
