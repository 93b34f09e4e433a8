"""Traces, bills, aliases, sample events and deletion in a real IPython shell on a real emulator."""

from __future__ import annotations

import json
import re

import pytest

from labkit import events
from labkit.errors import BadAlias, BadEvent, BadLoad, BadMagicLine, NotInvoked, PayloadUnreadable, UnknownFunction

pytestmark = pytest.mark.process

ECHO = "%%function echo\ndef handler(event, context):\n    return event\n"
TWO = "%%function echo\ndef handler(event, context):\n    return 2\n"


def test_trace_is_of_a_request_of_a_function_or_of_the_last_call(shell):
    shell.run(ECHO)
    shell.run(ECHO.replace("echo", "other"))
    first = shell.run("r = %invoke echo 1\nr")
    second = shell.run("r = %invoke echo 2\nr")
    third = shell.run("r = %invoke other 3\nr")
    assert shell.run(f"%trace {first.request_id}") == first.trace
    assert shell.run("%trace echo") == second.trace
    assert shell.run("%trace") == third.trace == shell.names["other"].trace()


def test_cost_is_the_bill_of_each_function_and_can_be_projected(shell):
    shell.run(ECHO.replace("%%function echo", "%%function billed --memory 512"))
    for _ in range(2):
        shell.run("%invoke billed 1")
    bill = shell.run("%cost billed")
    [row] = bill.rows
    assert (row.function_name, row.memory_mb, row.requests, row.cold) == ("billed", 512, 2, 1)
    assert row in shell.run("%cost").rows
    projected = shell.run("%cost billed --requests 1e6 --architecture arm64")
    assert projected.rows[0].usd_for_requests == pytest.approx(0.20)
    assert projected.usd < bill.for_requests(1e6).usd
    shown = shell.show(projected)
    assert "1,000,000 requests each would cost" in shown["text/plain"]
    assert "0.0000133334 per GB-s" in " ".join(shown["text/plain"].split())
    assert "<caption" in shown["text/html"]


def test_an_alias_is_published_moved_shared_listed_and_deleted(shell):
    shell.run(ECHO)
    assert shell.run("%alias echo live --publish").version == "1"
    assert shell.run("%alias echo live --publish").version == "1"  # unchanged: the same version again
    shell.run(TWO)
    assert shell.run("%invoke echo --qualifier live 7").payload == 7
    shared = shell.run("%alias echo --publish")
    assert shared.value[0].version == "1"
    assert "versions $LATEST, 1, 2" in repr(shared)
    assert shell.run("%alias echo live --weight 2=0.25 --description 'a canary'").weights == (("2", 0.25),)
    assert "75% to version 1, 25% to version 2" in repr(shell.run("%alias echo"))
    assert shell.run("%alias echo live").description == "a canary"
    assert shell.run("%alias echo live 2").weights == ()
    assert shell.run("%invoke echo --qualifier live 7").payload == 2
    assert "<table" in shell.show(shell.run("%alias echo"))["text/html"]
    assert shell.run("%alias echo live --delete").value == []


def test_undeploy_deletes_functions_and_their_variables(shell):
    shell.run(ECHO)
    shell.run(ECHO.replace("echo", "echo-it"))
    assert repr(shell.run("%undeploy echo echo-it echo")) == "Deleted: echo, echo-it."
    assert "echo" not in shell.names
    assert "echo_it" not in shell.names
    assert shell.run("%functions").value == []


def test_undeploy_keeps_a_variable_that_is_something_else_by_now(shell):
    shell.run(ECHO)
    shell.run("echo = 7")
    shell.run("%undeploy echo")
    assert shell.names["echo"] == 7


def test_undeploy_deletes_all_or_none(shell):
    shell.run(ECHO)
    with pytest.raises(UnknownFunction, match="ehco"):
        shell.run("%undeploy echo ehco")
    assert [f.name for f in shell.run("%functions").value] == ["echo"]


def test_api_lists_what_there_is_and_shows_one(shell):
    shell.run(ECHO)
    made = shell.run("%%api zoo\nGET /pets/{id} echo\nPOST /pets echo\n")
    over_http = shell.run("%%api toys --kind HTTP\nGET /toys echo\n")
    again = shell.run("%api zoo")
    assert (again.url, dict(again.routes)) == (made.url, dict(made.routes))
    assert shell.run("%api toys").routes == over_http.routes
    listed = shell.run("%api --kind HTTP")
    assert over_http in listed.value
    assert made not in listed.value
    assert over_http.url in repr(listed)
    with pytest.raises(BadMagicLine, match="Did you mean zoo"):
        shell.run("%api zooo")
    with pytest.raises(BadMagicLine, match="expected a name"):
        shell.run("%%api\nGET /x echo\n")


def test_events_makes_a_sample_that_can_be_assigned(shell):
    shell.run("event = %events s3 --bucket mine --key 'a b.png'")
    assert shell.names["event"] == events.s3(bucket="mine", key="a b.png")


def test_events_takes_json_and_expressions_of_the_notebook(shell):
    shell.names["order"] = {"id": 7}
    assert shell.run("%events sqs --body '{\"x\": [1, 2]}' -n 2") == events.sqs(body={"x": [1, 2]}, n=2)
    assert shell.run("%events dynamodb --item order --action REMOVE") == events.dynamodb(
        item={"id": 7}, action="REMOVE"
    )
    assert shell.run("%events eventbridge --detail-type sold") == events.eventbridge(detail_type="sold")


def test_events_without_a_name_lists_all(shell):
    shown = repr(shell.run("%events"))
    assert all(kind in shown for kind in events.EVENTS)
    assert "--bucket --key --size" in shown


def test_a_sample_event_is_a_payload(shell):
    shell.run(ECHO)
    assert shell.run("%invoke echo @events:sqs --body '{\"x\": 1}'").payload == events.sqs(body={"x": 1})
    outcomes = shell.run("%coldstart echo -n 1 --payload @events:sns --message hi")
    assert outcomes.items[0].payload == json.loads(json.dumps(events.sns(message="hi")))


@pytest.mark.parametrize(
    ("cell", "error", "message"),
    [
        ("%trace ehco", UnknownFunction, "Did you mean `echo`"),
        ("%trace idle", NotInvoked, "no trace of idle"),
        ("%trace 00000000-0000-4000-8000-000000000000", NotInvoked, "no trace of 0000"),
        ("%cost ehco", UnknownFunction, "Did you mean `echo`"),
        ("%cost idle", NotInvoked, "no trace of idle"),
        ("%cost --requests 0", BadLoad, "expected more than 0"),
        ("%cost --requests many", BadMagicLine, "invalid float value"),
        ("%cost --architecture arm", BadLoad, "x86_64, arm64"),
        ("%cost --request 5", BadMagicLine, "Did you mean --requests"),
        ("%alias ehco", UnknownFunction, "Did you mean `echo`"),
        ("%alias echo live", BadAlias, "no alias live. It has: none"),
        ("%alias echo live 3", BadAlias, r"no version 3; it has: \$LATEST"),
        ("%alias echo live 1 --publish", BadMagicLine, "Give one"),
        ("%alias echo --delete", BadMagicLine, "which alias"),
        ("%alias echo live 1 --delete", BadMagicLine, "nothing more"),
        ("%alias echo live --delete", BadAlias, "no alias live"),
        ("%alias echo live $LATEST --weight $LATEST=0.5", BadAlias, "takes no share"),
        ("%alias echo live $LATEST --weight half", BadMagicLine, "VERSION=SHARE"),
        ("%undeploy", BadMagicLine, "required: name"),
        ("%events sqss", BadEvent, "Did you mean sqs"),
        ("%events s3 --queue q", BadEvent, "The event s3 takes no queue"),
        ("%events s3 --bukket q", BadMagicLine, "Did you mean --bucket"),
        ("%events s3 --size big", BadMagicLine, "expected a whole number"),
        ("%events dynamodb --item 7", BadMagicLine, "expected an object"),
        ("%events sqs --body '{oops'", PayloadUnreadable, "neither JSON"),
        ("%invoke echo @events:", BadEvent, "Which event"),
        ("%invoke echo @events:sq", BadEvent, "Did you mean sqs"),
    ],
)
def test_a_mistake_is_a_short_error_that_says_what_to_try(shell, cell, error, message):
    shell.run(ECHO)
    if "idle" in cell:
        shell.run(ECHO.replace("echo", "idle"))
    with pytest.raises(error) as caught:
        shell.run(cell)
    shown = caught.value._render_traceback_()
    assert len(shown) <= 6
    assert re.search(message, " ".join(shown))
