"""The Extensions API's protocol: states, answers and refusals, on fake connections."""

from __future__ import annotations

import json
import uuid

import pytest

from labkit.emulator.extensions import MOST_EXTENSIONS, Extensions, about_function, executables
from labkit.model import FunctionConfig

REGISTER, NEXT = b"/2020-01-01/extension/register", b"/2020-01-01/extension/event/next"
INIT_ERROR, EXIT_ERROR = b"/2020-01-01/extension/init/error", b"/2020-01-01/extension/exit/error"


class FakeHost:
    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_extensions_registered(self):
        self.heard.append("registered")

    def on_extension_next(self):
        self.heard.append("next")

    def on_extension_error(self, error_type):
        self.heard.append(error_type)


class FakeChannel:
    def __init__(self, **headers: str) -> None:
        self.extension_headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies: list[tuple[int, dict, dict]] = []

    def reply(self, status, answer, headers=None):
        self.replies.append((int(status), dict(answer), dict(headers or {})))

    def refuse(self, status, error_type, message):
        self.reply(status, {"errorType": error_type, "errorMessage": message})


@pytest.fixture
def host():
    return FakeHost()


@pytest.fixture
def extensions(host):
    about = about_function(FunctionConfig("f", "app.handler"), "7", "arn:aws:lambda:us-east-1:123456789012:function:f")
    return Extensions(host, ["one", "two"], about)


def ask(extensions, method, path, body=None, **headers):
    channel = FakeChannel(**headers)
    extensions.answer(channel, method, path, json.dumps(body).encode() if body is not None else b"{}")
    return channel


def register(extensions, name, *events, **headers):
    return ask(extensions, b"POST", REGISTER, {"events": events}, name=name, **headers)


def registered(extensions, name, *events):
    """The identifier of an extension that has registered."""
    return register(extensions, name, *events).replies[0][2]["Lambda-Extension-Identifier"]


def refusal(channel):
    status, answer, _ = channel.replies[0]
    return status, answer["errorType"]


def test_a_registration_answers_the_function_and_an_identifier(extensions):
    status, answer, headers = register(extensions, "one", "INVOKE").replies[0]
    assert status == 200
    assert answer == {"functionName": "f", "functionVersion": "7", "handler": "app.handler"}
    assert uuid.UUID(headers["Lambda-Extension-Identifier"])


def test_the_account_is_answered_to_who_accepts_it(extensions):
    answer = register(extensions, "one", accept_feature="other, accountId").replies[0][1]
    assert answer["accountId"] == "123456789012"


def test_the_runtime_may_begin_when_all_external_extensions_have_registered(extensions, host):
    register(extensions, "one", "INVOKE")
    assert host.heard == []
    register(extensions, "two")
    assert host.heard == ["registered"]


def test_extensions_are_ready_when_all_have_asked_for_an_event(extensions):
    identifiers = [registered(extensions, name) for name in ("one", "two")]
    ask(extensions, b"GET", NEXT, identifier=identifiers[0])
    assert not extensions.ready
    ask(extensions, b"GET", NEXT, identifier=identifiers[1])
    assert extensions.ready


def test_an_invocation_is_told_to_who_registered_for_it(extensions):
    waiting = {}
    for name, event in (("one", "INVOKE"), ("two", "SHUTDOWN")):
        waiting[name] = ask(extensions, b"GET", NEXT, identifier=registered(extensions, name, event))
    extensions.send_invoke(deadline_ms=5, request_id="r1", function_arn="arn", trace_id="Root=1")
    assert waiting["two"].replies == []
    assert waiting["one"].replies[0][:2] == (
        200,
        {
            "eventType": "INVOKE",
            "deadlineMs": 5,
            "requestId": "r1",
            "invokedFunctionArn": "arn",
            "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1"},
        },
    )
    assert extensions.busy


def test_extensions_are_busy_until_they_ask_again(extensions):
    me = registered(extensions, "one", "INVOKE")
    ask(extensions, b"GET", NEXT, identifier=me)
    extensions.send_invoke(deadline_ms=5, request_id="r1", function_arn="arn", trace_id="Root=1")
    ask(extensions, b"GET", NEXT, identifier=me)
    assert not extensions.busy


SPINDOWN = {"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 9}


def test_the_end_is_told_to_who_registered_for_it(extensions):
    first, second = registered(extensions, "one", "SHUTDOWN"), registered(extensions, "two", "INVOKE")
    waiting, other = ask(extensions, b"GET", NEXT, identifier=first), ask(extensions, b"GET", NEXT, identifier=second)
    assert extensions.wants_shutdown() == {"one"}
    extensions.send_shutdown(deadline_ms=9, reason="spindown")
    assert waiting.replies[0][1] == SPINDOWN
    assert other.replies == []


def test_who_is_still_at_work_at_the_end_is_told_when_it_asks(extensions, host):
    identifier = registered(extensions, "one", "INVOKE", "SHUTDOWN")
    ask(extensions, b"GET", NEXT, identifier=identifier)
    extensions.send_invoke(deadline_ms=1, request_id="r1", function_arn="arn", trace_id="t")
    assert extensions.wants_shutdown() == {"one"}
    extensions.send_shutdown(deadline_ms=9, reason="spindown")
    host.heard.clear()
    assert ask(extensions, b"GET", NEXT, identifier=identifier).replies[0][1] == SPINDOWN
    assert host.heard == []


def test_who_has_reported_an_error_is_not_told_of_the_end(extensions):
    identifier = registered(extensions, "one", "SHUTDOWN")
    ask(extensions, b"POST", EXIT_ERROR, identifier=identifier, function_error_type="Extension.Own")
    assert extensions.wants_shutdown() == set()


@pytest.mark.parametrize(("path", "state"), [(INIT_ERROR, "InitError"), (EXIT_ERROR, "ExitError")])
def test_a_reported_error_is_heard_once_and_stands_in_the_log(extensions, host, path, state):
    me = registered(extensions, "one", "INVOKE")
    for _ in range(2):
        said = ask(extensions, b"POST", path, {}, identifier=me, function_error_type="Extension.Bad")
        assert said.replies[0][:2] == (202, {"status": "OK"})
    assert host.heard == [f"Extension.{state}"]
    assert extensions.lines()[0] == (
        f"EXTENSION\tName: one\tState: {state}\tEvents: [INVOKE]\tError Type: Extension.Bad"
    )


def test_an_error_needs_its_type(extensions):
    me = registered(extensions, "one")
    assert refusal(ask(extensions, b"POST", INIT_ERROR, {}, identifier=me)) == (403, "Extension.MissingHeader")


def test_an_init_error_after_the_init_is_out_of_order(extensions):
    me = registered(extensions, "one")
    ask(extensions, b"GET", NEXT, identifier=me)
    late = ask(extensions, b"POST", INIT_ERROR, {}, identifier=me, function_error_type="Extension.Bad")
    assert refusal(late) == (403, "Extension.InvalidExtensionState")


@pytest.mark.parametrize(
    ("headers", "error_type"),
    [
        ({}, "Extension.MissingExtensionIdentifier"),
        ({"identifier": "me"}, "Extension.InvalidExtensionIdentifier"),
        ({"identifier": "00000000-0000-4000-8000-000000000000"}, "Extension.UnknownExtensionIdentifier"),
    ],
)
def test_who_asks_for_an_event_must_be_known(extensions, headers, error_type):
    assert refusal(ask(extensions, b"GET", NEXT, **headers)) == (403, error_type)


def test_registering_twice_is_out_of_order(extensions):
    register(extensions, "one")
    status, answer, _ = register(extensions, "one").replies[0]
    assert (status, answer["errorType"]) == (403, "Extension.InvalidExtensionState")
    assert answer["errorMessage"] == (
        "State transition from Registered to Registered failed for extension one. "
        "Error: State transition is not allowed"
    )


def test_asking_twice_is_out_of_order(extensions):
    me = registered(extensions, "one")
    ask(extensions, b"GET", NEXT, identifier=me)
    assert refusal(ask(extensions, b"GET", NEXT, identifier=me)) == (403, "Extension.InvalidExtensionState")


@pytest.mark.parametrize(
    ("body", "error_type"),
    [
        ({"events": ["abcdef"]}, "Extension.InvalidEventType"),
        ({"events": [1]}, "InvalidRequestFormat"),
        ({"events": 1}, "InvalidRequestFormat"),
        ([], "InvalidRequestFormat"),
        ({"events": [], "configurationKeys": ["x"]}, "InvalidRequestFormat"),
    ],
)
def test_a_registration_must_make_sense(extensions, body, error_type):
    assert refusal(ask(extensions, b"POST", REGISTER, body, name="one")) == (403, error_type)


def test_a_registration_needs_a_name(extensions):
    assert refusal(ask(extensions, b"POST", REGISTER, {})) == (403, "Extension.InvalidExtensionName")


def test_an_internal_extension_hears_of_invocations_only(extensions):
    assert refusal(register(extensions, "inside", "SHUTDOWN")) == (403, "Extension.InvalidEventType")
    assert register(extensions, "inside", "INVOKE").replies[0][0] == 200


def test_an_internal_extension_registers_before_the_runtime_is_ready(extensions):
    extensions.closed = True
    assert refusal(register(extensions, "late", "INVOKE")) == (403, "Extension.RegistrationClosed")


def test_there_are_ten_extensions_at_most(extensions):
    for number in range(MOST_EXTENSIONS - 2):
        assert register(extensions, f"inside{number}").replies[0][0] == 200
    assert refusal(register(extensions, "more")) == (403, "Extension.TooManyExtensions")


@pytest.mark.parametrize(
    ("path", "error_type"),
    [(b"/2022-07-01/telemetry", "Telemetry.NotSupported"), (b"/2020-08-15/logs", "Logs.NotSupported")],
)
def test_a_subscription_is_accepted_and_says_that_nothing_comes(extensions, path, error_type):
    me = registered(extensions, "one")
    status, answer, _ = ask(extensions, b"PUT", path, {}, identifier=me).replies[0]
    assert (status, answer["errorType"]) == (202, error_type)


def test_other_paths_do_not_exist(extensions):
    assert ask(extensions, b"GET", b"/2020-01-01/extension/shrug").replies[0][0] == 404


def test_executables_are_the_files_of_the_folder_by_name(tmp_path):
    assert executables(tmp_path) == ()
    (tmp_path / "extensions" / "folder").mkdir(parents=True)
    for name in ("b", "a"):
        (tmp_path / "extensions" / name).touch()
    assert executables(tmp_path) == tuple(str(tmp_path / "extensions" / name) for name in ("a", "b"))
