"""What a handler sees and what it posts: the same whoever drives it."""

from __future__ import annotations

import json
import os
import re
import sys

import pytest

pytestmark = pytest.mark.process
ECHO = "def handler(event, context): return event\n"
INVOCATION = "/2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd"
REQUEST_ID = INVOCATION.rpartition("/")[2]
CLIENTS = ["awslambdaric", "native", "fallback"]

FAILING = {
    "a class of the handler's own": (
        "class TooOld(Exception): pass\ndef check(age):\n    raise TooOld(f'{age} years')\n"
        "def handler(event, context):\n    return check(100)\n"
    ),
    "no message": "def handler(event, context):\n    raise KeyError\n",
    "characters beyond ASCII": "def handler(event, context):\n    raise ValueError('Zoë 李 \\x00 \"')\n",
    "a cause": (
        "def handler(event, context):\n    try: 1 / 0\n    except ZeroDivisionError as e: raise ValueError('v') from e\n"
    ),
    "a statement over several lines": (
        "def handler(event, context):\n    return (\n      1 /\n        event['zero']\n    )\n"
    ),
    "a group": "def handler(event, context):\n    raise ExceptionGroup('two', [ValueError(1), TypeError(2)])\n",
    "in the library": "import json\ndef handler(event, context):\n    return json.loads('nope')\n",
    "a set": "def handler(event, context): return {1}\n",
    "an object inside": "def handler(event, context): return {'a': [object()]}\n",
    "a circle": "def handler(event, context):\n    a = []; a.append(a); return a\n",
    "undecodable bytes inside": "def handler(event, context): return [b'\\xff']\n",
}
INIT_FAILING = {
    "Runtime.ImportModuleError": (
        {"other.py": ""},
        "app.handler",
        "Unable to import module 'app': No module named 'app'",
    ),
    "Runtime.HandlerNotFound": ({"app.py": "x = 1\n"}, "app.handler", "Handler 'handler' missing on module 'app'"),
    "Runtime.MalformedHandlerName": (
        {"app.py": ECHO},
        "app",
        "Bad handler 'app': not enough values to unpack (expected 2, got 1)",
    ),
    "Runtime.BuiltInModuleConflict": (
        {"sys.py": ECHO},
        "sys.handler",
        "Cannot use built-in module sys as a handler module",
    ),
    "Runtime.UserCodeSyntaxError": (
        {"app.py": "x = 1\ndef handler(:\n"},
        "app.handler",
        "Syntax error in module 'app': invalid syntax (app.py, line 2)",
    ),
}


def test_a_handler_answers_one_event_after_the_other(start, client):
    environment = start(client, ECHO)
    answers = [environment.invoke({"n": n}) for n in range(3)]
    assert [a.json() for a in answers] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert {(a.path, a.headers["content-type"]) for a in answers} == {(f"{INVOCATION}/response", "application/json")}


def test_characters_beyond_ascii_survive_in_both_directions(start, client):
    answer = start(client, ECHO).invoke('{"name": "Zoë 李 🎈"}'.encode())
    assert answer.body == '{"name": "Zoë 李 🎈"}'.encode()


def test_runtimes_before_python_3_12_escape_characters_beyond_ascii(start, client):
    answer = start(client, ECHO, AWS_EXECUTION_ENV="AWS_Lambda_python3.11").invoke('"ë"'.encode())
    assert answer.body == b'"\\u00eb"'


def test_bytes_are_posted_as_they_are(start, client):
    answer = start(client, "def handler(event, context): return b'\\x00\\xff'\n").invoke()
    assert (answer.body, answer.headers["content-type"]) == (b"\x00\xff", "application/unknown")


def test_an_event_that_is_not_json_arrives_as_bytes(start, client):
    source = "def handler(event, context): return [type(event).__name__, len(event)]\n"
    assert start(client, source).invoke(b"\x00\xff\x01", content_type="image/png").json() == ["bytes", 3]


def test_the_result_none_is_null(start, client):
    assert start(client, "def handler(event, context): pass\n").invoke().body == b"null"


def test_six_megabytes_pass_in_both_directions(start, client):
    event = b'"' + b"x" * (6 * 1024 * 1024 - 2) + b'"'
    assert start(client, ECHO).invoke(event).body == event


def test_the_context_describes_the_request_and_the_function(start, client):
    names = [
        "aws_request_id", "log_group_name", "log_stream_name", "function_name", "memory_limit_in_mb",
        "function_version", "invoked_function_arn", "tenant_id", "client_context",
    ]  # fmt: skip
    source = f"def handler(event, context): return [getattr(context, name) for name in {names}]\n"
    assert start(client, source).invoke(lambda_runtime_aws_tenant_id="t1").json() == [
        REQUEST_ID,
        "/aws/lambda/f",
        "2026/01/01/[$LATEST]0123456789abcdef0123456789abcdef",
        "f",
        "128",
        "$LATEST",
        "arn:aws:lambda:us-east-1:123456789012:function:f",
        "t1",
        None,
    ]


def test_the_context_has_the_same_attributes_and_the_same_text_in_all_clients(start):
    source = (
        "def handler(event, context):\n"
        "    names = [n for n in dir(context) if not n.startswith('_')]\n"
        "    return [names, repr(context), context.client_context.custom, context.client_context.client.app_title,\n"
        "            context.identity.cognito_identity_id, context.w3c()]\n"
    )
    headers = {
        "lambda_runtime_client_context": json.dumps(
            {"custom": {"k": "v"}, "client": {"app_title": "t"}, "w3c": {"traceparent": "00", "other": "x"}}
        ),
        "lambda_runtime_cognito_identity": '{"cognitoIdentityId": "id", "cognitoIdentityPoolId": "pool"}',
    }
    answers = {start(client, source).invoke(**headers).body for client in CLIENTS}
    assert len(answers) == 1
    assert json.loads(answers.pop())[2:] == [{"k": "v"}, "t", "id", {"traceparent": "00"}]


def test_the_identity_is_there_without_cognito(start, client):
    source = "def handler(event, context): return [context.identity is None, repr(context.client_context)]\n"
    assert start(client, source).invoke().json() == [False, "None"]


@pytest.mark.parametrize(("deadline_ms", "left"), [("4102444800000", True), ("1000", False)])
def test_the_remaining_time_counts_down_to_zero(start, client, deadline_ms, left):
    source = "def handler(event, context): return context.get_remaining_time_in_millis()\n"
    remaining = start(client, source).invoke(lambda_runtime_deadline_ms=deadline_ms).json()
    assert type(remaining) is int
    assert (remaining > 0) is left


def test_the_trace_id_is_a_variable_while_there_is_one(start, client):
    environment = start(client, "import os\ndef handler(event, context): return os.environ.get('_X_AMZN_TRACE_ID')\n")
    traced = environment.invoke(lambda_runtime_trace_id="Root=1-2-3")
    assert traced.json() == "Root=1-2-3"
    if client != "native":  # awslambdaric's own transport crashes on an answer without the header
        assert environment.invoke(lambda_runtime_trace_id="").json() is None


@pytest.mark.parametrize("case", FAILING)
def test_a_failure_posts_the_same_bytes_in_all_clients(start, case):
    posts = [start(client, FAILING[case]).invoke({"zero": 0}) for client in CLIENTS]
    assert {post.path for post in posts} == {f"{INVOCATION}/error"}
    assert len({post.body for post in posts}) == 1
    assert posts[0].json()["requestId"] == REQUEST_ID


def test_a_failure_names_the_files_of_aws_and_shows_their_lines(start, client):
    post = start(client, FAILING["a class of the handler's own"]).invoke()
    assert post.json() == {
        "errorMessage": "100 years",
        "errorType": "TooOld",
        "requestId": REQUEST_ID,
        "stackTrace": [
            '  File "/var/task/app.py", line 5, in handler\n    return check(100)\n',
            "  File \"/var/task/app.py\", line 3, in check\n    raise TooOld(f'{age} years')\n",
        ],
    }


def test_a_failure_tells_x_ray_where_it_was(start, client):
    post = start(client, FAILING["no message"]).invoke()
    cause = json.loads(post.headers["lambda-runtime-function-xray-error-cause"])
    assert cause["exceptions"] == [
        {"message": "", "type": "KeyError", "stack": [{"label": "handler", "path": "/var/task/app.py", "line": 2}]}
    ]
    assert cause["paths"] == ["/var/task/app.py"]


def test_a_process_goes_on_after_a_failure(start, client):
    environment = start(client, "def handler(event, context): return 1 / event\n")
    assert environment.invoke(0).json()["errorType"] == "ZeroDivisionError"
    assert environment.invoke(2).json() == 0.5


def test_a_handler_that_takes_no_arguments_is_the_handlers_error(start, client):
    post = start(client, "def handler(): return 1\n").invoke().json()
    assert post["errorMessage"] == "handler() takes 0 positional arguments but 2 were given"
    assert len(post["stackTrace"]) == 1


def test_a_result_that_is_no_json_is_a_marshal_error(start, client):
    assert start(client, FAILING["a set"]).invoke().json() == {
        "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
        "errorType": "Runtime.MarshalError",
        "requestId": REQUEST_ID,
        "stackTrace": [],
    }


@pytest.mark.parametrize("event", [b"", b"{", b"nope", b"NaN", b"\xff", b"1 2"])
def test_an_event_that_is_broken_json_is_an_unmarshal_error(start, client, event):
    post = start(client, ECHO).invoke(event).json()
    assert (post["errorType"], post["stackTrace"]) == ("Runtime.UnmarshalError", [])
    assert post["errorMessage"].startswith("Unable to unmarshal input: ")


def test_an_unreadable_client_context_is_an_error_of_its_own(start):
    posts = {start(c, ECHO).invoke(lambda_runtime_client_context="{nope").body for c in CLIENTS}
    assert len(posts) == 1
    assert json.loads(posts.pop())["errorType"] == "Runtime.LambdaContextUnmarshalError"


@pytest.mark.parametrize("where", ["def handler(event, context):\n    down()\n", "down()\n"])
def test_a_recursion_without_end_is_reported_like_any_error(start, client, where):
    """In the handler and at import, where its thousand frames pass our own cleaning."""
    environment = start(client, f"def down(): return down()\n{where}")
    post = environment.invoke().json()
    assert post["errorType"] == "RecursionError"
    assert post["stackTrace"][-1].startswith("  [Previous line repeated ")


@pytest.mark.parametrize("error_type", INIT_FAILING)
def test_an_init_that_fails_is_posted_and_ends_the_process_with_status_1(start, client, error_type):
    files, handler, message = INIT_FAILING[error_type]
    environment = start(client, files, handler=handler)
    post = environment.posted()
    assert (post.path, post.headers["lambda-runtime-function-error-type"]) == (
        "/2018-06-01/runtime/init/error",
        error_type,
    )
    payload = post.json()
    assert (payload["errorType"], payload["errorMessage"], payload["requestId"]) == (error_type, message, "")
    assert environment.exit_status() == 1


def test_a_syntax_error_names_the_file_of_aws(start):
    bodies = set()
    for client in CLIENTS:
        environment = start(client, {"app.py": "import lib.broken\n", "lib/broken.py": "def f():\n  x = = 1\n"})
        bodies.add(environment.posted().body)
    assert len(bodies) == 1
    assert json.loads(bodies.pop())["stackTrace"] == ['  File "/var/task/lib/broken.py" Line 2\n      x = = 1\n']


def test_leaving_the_process_posts_nothing(start, client):
    environment = start(client, "import sys\ndef handler(event, context): sys.exit(7)\n")
    environment.api.send(b"{}")
    assert environment.exit_status() == 7
    assert [request.method for request in environment.api.requests] == ["GET"]


def test_leaving_the_process_at_import_posts_nothing(start, client):
    environment = start(client, "exit(3)\n")
    assert environment.exit_status() == 3
    assert environment.api.requests == []


def test_what_a_handler_prints_is_out_before_its_answer(start, client):
    environment = start(
        client, "import sys\ndef handler(event, context):\n    print('Zoë')\n    print(2, file=sys.stderr)\n"
    )
    environment.invoke()
    assert environment.output() == "Zoë\n2\n"


def test_log_lines_carry_level_time_and_request(start, client):
    environment = start(
        client, "import logging\ndef handler(event, context):\n    logging.warning('low')\n    logging.info('no')\n"
    )
    environment.invoke()
    level, time, request_id, message = environment.output().split("\t")
    assert (level, time[10], time[-1], request_id, message) == ("[WARNING]", "T", "Z", REQUEST_ID, "low\n")


def test_a_failure_is_one_line_of_output_with_its_indentation_kept(start):
    outputs = set()
    for client in CLIENTS:
        environment = start(client, FAILING["a class of the handler's own"])
        environment.invoke()
        outputs.add(environment.output())
    assert outputs == {
        "[ERROR] TooOld: 100 years\rTraceback (most recent call last):\r"
        '\u00a0\u00a0File "/var/task/app.py", line 5, in handler\r\u00a0\u00a0\u00a0\u00a0return check(100)\r'
        '\u00a0\u00a0File "/var/task/app.py", line 3, in check\r'
        "\u00a0\u00a0\u00a0\u00a0raise TooOld(f'{age} years')\n"
    }


LOGGING = """
import logging
log = logging.getLogger("shop")
def handler(event, context):
    log.debug("d"); log.info("i %s", 1); log.warning({"k": object}); log.critical("c", extra={"order": 7})
    try: 1 / 0
    except ZeroDivisionError: log.exception("oops")
    context.log("by context")
    raise ValueError("Zoë")
"""


@pytest.mark.parametrize("framed", [False, True])
@pytest.mark.parametrize("log_format", ["JSON", "Text"])
@pytest.mark.parametrize("level", ["", "TRACE", "INFO", "error", "NONSENSE"])
def test_log_output_is_the_same_in_all_clients(start, framed, log_format, level):
    logs = []
    for client in CLIENTS:
        environment = start(
            client, LOGGING, framed=framed, AWS_LAMBDA_LOG_FORMAT=log_format, AWS_LAMBDA_LOG_LEVEL=level
        )
        environment.invoke()
        logs.append(without_times(environment.frames() if framed else environment.output()))
    assert logs[0] == logs[1] == logs[2]
    assert "by context" in str(logs[0])
    assert "oops" in str(logs[0])


def without_times(log: object) -> str:
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z", "TIME", str(log))


def test_framed_logs_keep_a_message_of_several_lines_whole(start, client):
    environment = start(client, "import logging\ndef handler(e, c):\n    logging.error('one\\ntwo')\n", framed=True)
    environment.invoke()
    [(kind, message)] = environment.frames()
    assert (kind, message.split("\t")[-1]) == (0xA55A0003, "one\ntwo\n")


def test_programs_of_the_handler_do_not_see_the_log_descriptor(start, client):
    source = "import os\ndef handler(event, context): return '_LAMBDA_TELEMETRY_LOG_FD' in os.environ\n"
    assert start(client, source, framed=True).invoke().json() is False


NUMBERS = """
from decimal import Decimal as D
from collections import namedtuple
from enum import IntEnum
class Colour(IntEnum):
    RED = 1
def handler(event, context):
    return {"d": [D("1.10"), D("1E+3"), D("NaN"), D("-NaN"), D("Infinity"), D("0.1234567890123456789")],
            "n": float("nan"), "i": float("inf"), "t": namedtuple("P", "x y")(1, (2, 3)),
            "b": b"text", b"key": Colour.RED, 1.5: None, True: 2, None: 3, "s": "decimal \\u2028 \\x7f", "big": 2 ** 70}
"""


def test_numbers_and_odd_types_are_written_alike_in_all_clients(start):
    bodies = {start(client, NUMBERS).invoke().body for client in CLIENTS}
    assert len(bodies) == 1
    assert b'"d": [1.10, 1E+3, NaN, NaN, Infinity, 0.1234567890123456789], "n": NaN' in bodies.pop()


def test_a_refused_result_ends_the_process(start, client):
    environment = start(client, ECHO)
    environment.api.post_status = 413
    environment.invoke()
    assert environment.exit_status() == 1


@pytest.mark.parametrize(
    "module_error",
    [
        "raise ValueError('at import')",
        "import json; json.loads('nope')",
        "from . import nothing_here",
        "def f():\n    import lib.worse\nf()",
        "try:\n    import lib.worse\nexcept ZeroDivisionError as e:\n    raise RuntimeError('again') from e",
        "class C:\n    import lib.worse",
        "import importlib; importlib.import_module('lib.worse')",
    ],
)
def test_an_import_that_fails_leaves_the_trace_that_plain_awslambdaric_leaves(start, module_error):
    """The frames of what measures and names imports are gone; importlib's, which AWS shows, are not."""
    files = {
        "app.py": "import json\nimport lib.bad\ndef handler(event, context): pass\n",
        "lib/__init__.py": "",
        "lib/bad.py": f"import decimal\n{module_error}\n",
        "lib/worse.py": "def g():\n    return 1 / 0\ng()\n",
    }
    expected = posted_as_on_aws(start("native", files, argv=[sys.executable, "-c", PLAIN]))
    for client in CLIENTS:
        assert posted_as_on_aws(start(client, files)) == expected


def posted_as_on_aws(environment) -> bytes:
    """A message of ImportError has the real path of the file; so has every line of plain awslambdaric."""
    return environment.posted().body.replace(os.fsencode(environment.folder / "task"), b"/var/task")


PLAIN = """
import os, sys
from awslambdaric import bootstrap, lambda_runtime_client
sys.path[0] = os.getcwd()
bootstrap.run(os.environ["_HANDLER"], lambda_runtime_client.LambdaRuntimeClient(os.environ["AWS_LAMBDA_RUNTIME_API"]))
"""


# --- SnapStart

RESTORED = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
HOOKS = (
    "from snapshot_restore_py import register_after_restore, register_before_snapshot\n"
    "said = []\n"
    "def before(word): said.append(word)\n"
    "def after(): said.append('after')\n"
    "register_before_snapshot(before, 'last')\n"
    "register_before_snapshot(before, word='first')\n"
    "register_after_restore(after)\n"
    "def handler(event, context): return said\n"
)


@pytest.mark.parametrize("client", CLIENTS)
def test_hooks_run_around_the_restore(start, client):
    environment = start(client, HOOKS, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    environment.api.send_raw(RESTORED)
    assert environment.invoke().json() == ["first", "last", "after"]
    assert environment.api.requests[0].path == "/2018-06-01/runtime/restore/next"


@pytest.mark.parametrize("client", CLIENTS)
def test_without_snapstart_no_hook_runs(start, client):
    assert start(client, HOOKS).invoke().json() == []


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(
    ("hook", "path", "error_type", "exit_status"),
    [
        ("before(word)", "init/error", "Runtime.BeforeSnapshotError", 64),
        ("after()", "restore/error", "Runtime.AfterRestoreError", 65),
    ],
)
def test_a_hook_that_raises_is_reported_and_ends_the_process(start, client, hook, path, error_type, exit_status):
    source = HOOKS.replace(f"def {hook}: ", f"def {hook}: 1 / 0; ")
    environment = start(client, source, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    environment.api.send_raw(RESTORED)
    post = environment.posted()
    assert post.path == f"/2018-06-01/runtime/{path}"
    assert post.headers["lambda-runtime-function-error-type"] == error_type
    said = post.json()
    assert (said["errorType"], said["errorMessage"]) == ("ZeroDivisionError", "division by zero")
    assert any("/var/task/app.py" in line for line in said["stackTrace"])
    assert environment.exit_status() == exit_status
