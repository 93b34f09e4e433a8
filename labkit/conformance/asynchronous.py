"""Section 7: asynchronous invocation, on the emulator's own clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from labkit.conformance.behaviour import UUID4, Behaviour, Pattern, Place, Source
from labkit.conformance.trial import Trial

SECTION = "7. Asynchronous invocation"
FAILING = "def handler(event, context): raise ValueError('no')"
KEEPER = "import json\ndef handler(event, context): print('record', json.dumps(event), flush=True)\n"
BUSY = "import time\ndef handler(event, context): time.sleep(event['s'])"
SYNC_BYTES, EVENT_BYTES, STREAMED_BYTES = 6 * 1024 * 1024, 1024 * 1024, 200 * 1024 * 1024
FUNCTION = r"arn:aws:lambda:us-east-1:\d{12}:function:\w+:\$LATEST"


def runs(trial: Trial) -> list[str]:
    """The request ids of the function's runs that have ended, by its log."""
    return [line.split()[2] for line in trial.log().splitlines() if line.startswith("REPORT ")]


def retried(trial: Trial) -> tuple[list[int], int]:
    """Scene: an event that always fails: its runs after 0, 50, 70, 160, 200 and 2,000 s, and its request ids."""
    trial.create(FAILING)
    sent = trial.send()
    trial.wait(lambda: runs(trial))
    counts = []
    for skipped in ("0s", "50s", "20s", "90s", "40s", "30m"):
        trial.lab.advance(skipped)
        counts.append(len(runs(trial)))
    return counts, len({*runs(trial), sent.request_id})


def configured(**settings: Any) -> Callable[[Trial], object]:
    """How a function's settings for events are taken."""

    def probe(trial: Trial) -> object:
        trial.create()
        return trial.refusal("put_function_event_invoke_config", **settings)["status"]

    return probe


def one_attempt(trial: Trial) -> object:
    trial.create(FAILING)
    trial.aws.put_function_event_invoke_config(FunctionName=trial.name, MaximumRetryAttempts=0)
    trial.send()
    trial.wait(lambda: runs(trial))
    trial.lab.advance("30m")
    return len(runs(trial))


def keep(trial: Trial, on: str, **settings: Any) -> str:
    """Sends the records of the trial's function to another one, which is named here."""
    name = f"{trial.name}-keeper"
    keeper = trial.create(KEEPER, name=name)
    trial.aws.put_function_event_invoke_config(
        FunctionName=trial.name, DestinationConfig={on: {"Destination": keeper}}, **settings
    )
    return name


def record(trial: Trial, keeper: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(trial.log_line("record ", keeper).removeprefix("record "))
    return kept


def failed(trial: Trial) -> dict[str, Any]:
    """Scene: the record of an event that failed once."""
    trial.create(FAILING)
    keeper = keep(trial, "OnFailure", MaximumRetryAttempts=0)
    trial.send({"n": 1})
    return record(trial, keeper)


def succeeded(trial: Trial) -> dict[str, Any]:
    """Scene: the record of an event that succeeded."""
    trial.create("def handler(event, context): return {'twice': 2 * event['n']}")
    keeper = keep(trial, "OnSuccess")
    trial.send({"n": 1})
    return record(trial, keeper)


def part(scene: Callable[[Trial], Mapping[str, Any]], *names: str) -> Callable[[Trial], object]:
    return lambda trial: {name: trial.scene(scene)[name] for name in names}


def past_the_age(trial: Trial) -> object:
    """The record of an event whose first retry would come when it is too old: nobody moves the clock."""
    trial.create(FAILING)
    keeper = keep(trial, "OnFailure", MaximumEventAgeInSeconds=60)
    trial.send()
    context = record(trial, keeper)["requestContext"]
    return {name: context[name] for name in ("condition", "approximateInvokeCount")}


def exhausted(trial: Trial) -> object:
    """The record's count after all attempts."""
    trial.create(FAILING)
    keeper = keep(trial, "OnFailure")
    trial.send()
    trial.wait(lambda: runs(trial))
    trial.lab.advance("30m")
    context = record(trial, keeper)["requestContext"]
    return {name: context[name] for name in ("condition", "approximateInvokeCount")}


def throttled(trial: Trial, **settings: Any) -> tuple[str, Callable[[], None]]:
    """An event for a function whose only environment is busy for a second; its keeper, and how to wait for the end."""
    trial.create(BUSY)
    keeper = keep(trial, "OnFailure", **settings)
    trial.aws.put_function_concurrency(FunctionName=trial.name, ReservedConcurrentExecutions=1)
    busy = trial.beside(lambda: trial.invoke({"s": 1}))
    trial.wait(lambda: [each for each in trial.environments() if each["phase"] == "invoke"])
    trial.send({"s": 0})
    return keeper, busy.join


def throttled_for_too_long(trial: Trial) -> object:
    """The record of an event that found no environment for six hours."""
    keeper, wait_free = throttled(trial)
    trial.lab.advance("5h 30m")
    before = "record" in trial.log(keeper)
    trial.lab.advance("30m")
    wait_free()
    said = record(trial, keeper)
    return {
        "before six hours": before,
        "condition": said["requestContext"]["condition"],
        "approximateInvokeCount": said["requestContext"]["approximateInvokeCount"],
        "responseContext": said["responseContext"],
    }


def throttled_and_tried_again(trial: Trial) -> object:
    """How often the function has run when it is free again and five minutes have passed."""
    _, wait_free = throttled(trial)
    wait_free()
    trial.lab.advance("5m")
    trial.wait(lambda: len(runs(trial)) > 1)
    return len(runs(trial))


def buried(trial: Trial) -> dict[str, Any]:
    """Scene: the message in the dead-letter queue of a function that has a destination too, and that one's record."""
    queues = trial.lab.boto3("sqs")
    url = queues.create_queue(QueueName=trial.name)["QueueUrl"]
    arn = queues.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    trial.create(FAILING, DeadLetterConfig={"TargetArn": arn})
    keeper = keep(trial, "OnFailure", MaximumRetryAttempts=0)
    sent = trial.send({"n": 1})
    messages: list[Any] = []

    def received() -> bool:
        found = queues.receive_message(QueueUrl=url, MessageAttributeNames=["All"], WaitTimeSeconds=1)
        messages.extend(found.get("Messages", ()))
        return bool(messages)

    trial.wait(received)
    attributes = messages[0]["MessageAttributes"]
    return {
        "body": messages[0]["Body"],
        "attributes": {name: [each["DataType"], each["StringValue"]] for name, each in attributes.items()},
        "same id": attributes["RequestID"]["StringValue"] == sent.request_id,
        "record": record(trial, keeper)["requestContext"]["condition"],
    }


def sized(size: int, kind: str) -> Callable[[Trial], object]:
    """How a payload of so many bytes is answered."""

    def probe(trial: Trial) -> object:
        trial.create("def handler(event, context): return len(event)", MemorySize=256)
        body = b'"' + b"x" * (size - 2) + b'"'
        return trial.refusal("invoke", InvocationType=kind, Payload=body)

    return probe


def streamed(trial: Trial) -> object:
    """How many bytes of a stream arrive that is longer than the limit, and how it ends."""
    trial.create(
        "def handler(event, context):\n    for _ in range(201): yield b'x' * 1_048_576\n",
        Timeout=30,
        MemorySize=256,
    )
    answer = trial.aws.invoke_with_response_stream(FunctionName=trial.name)
    size, code = 0, None
    for event in answer["EventStream"]:
        size += len(event.get("PayloadChunk", {}).get("Payload", b""))
        code = event.get("InvokeComplete", {}).get("ErrorCode", code)
    return {
        "most": size <= STREAMED_BYTES,
        "nearly": size > STREAMED_BYTES - 2 * 1024 * 1024,
        "failed": code is not None,
    }


def too_large(size: int) -> dict[str, object]:
    return {
        "status": 413,
        "code": "RequestEntityTooLargeException",
        "message": f"Request must be smaller than {size} bytes for the InvokeFunction operation",
    }


def row(claim: str, source: Source, expected: object, probe: Callable[[Trial], object]) -> Behaviour:
    return Behaviour(SECTION, claim, source, expected, probe, place=Place.ALONE)


def beside(claim: str, source: Source, expected: object, probe: Callable[[Trial], object]) -> Behaviour:
    """A row that does not touch the clock."""
    return Behaviour(SECTION, claim, source, expected, probe)


def taken(name: str, value: int, status: int) -> Behaviour:
    said = "taken" if status == 200 else "refused"
    return beside(f"{name} {value} {said}", Source.API, status, configured(**{name: value}))


REC, DOC = Source.REC, Source.DOC
CONTEXT = {
    "requestId": Pattern(UUID4),
    "functionArn": Pattern(FUNCTION),
    "approximateInvokeCount": 1,
}
TIMESTAMP = Pattern(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
BEHAVIOURS = (
    row(
        "a failing event is tried again after 1 and 2 minutes, and then no more",
        DOC,
        [1, 1, 2, 2, 3, 3],
        lambda trial: trial.scene(retried)[0],
    ),
    row("one request id through all attempts", REC, 1, lambda trial: trial.scene(retried)[1]),
    row("MaximumRetryAttempts 0: one attempt", DOC, 1, one_attempt),
    *(taken("MaximumRetryAttempts", value, status) for value, status in ((0, 200), (2, 200), (3, 400))),
    *(
        taken("MaximumEventAgeInSeconds", value, status)
        for value, status in ((59, 400), (60, 200), (21_600, 200), (21_601, 400))
    ),
    row(
        "a throttled event is no attempt, and ends after six hours",
        DOC,
        {
            "before six hours": False,
            "condition": "EventAgeExceeded",
            "approximateInvokeCount": 0,
            "responseContext": {"statusCode": 429},
        },
        throttled_for_too_long,
    ),
    row("a throttled event runs when there is room, within five minutes", DOC, 2, throttled_and_tried_again),
    row(
        "a retry that would come past the age is not scheduled",
        REC,
        {"condition": "EventAgeExceeded", "approximateInvokeCount": 1},
        past_the_age,
    ),
    row(
        "RetriesExhausted after three attempts",
        REC,
        {"condition": "RetriesExhausted", "approximateInvokeCount": 3},
        exhausted,
    ),
    row(
        "destination record: version and timestamp",
        REC,
        {"version": "1.0", "timestamp": TIMESTAMP},
        part(failed, "version", "timestamp"),
    ),
    row(
        "destination record of a failure: requestContext",
        REC,
        {"requestContext": {**CONTEXT, "condition": "RetriesExhausted"}},
        part(failed, "requestContext"),
    ),
    row("destination record: requestPayload", REC, {"requestPayload": {"n": 1}}, part(failed, "requestPayload")),
    row(
        "destination record of a failure: responseContext",
        REC,
        {"responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"}},
        part(failed, "responseContext"),
    ),
    row(
        "destination record of a failure: responsePayload",
        REC,
        {
            "errorMessage": "no",
            "errorType": "ValueError",
            "requestId": Pattern(UUID4),
            "stackTrace": [Pattern('  File "/var/task/app.py", line 1, in handler\n.*')],
        },
        lambda trial: trial.scene(failed)["responsePayload"],
    ),
    row(
        "destination record of a success: requestContext",
        REC,
        {"requestContext": {**CONTEXT, "condition": "Success"}},
        part(succeeded, "requestContext"),
    ),
    row(
        "destination record of a success: the response",
        REC,
        {"responseContext": {"statusCode": 200, "executedVersion": "$LATEST"}, "responsePayload": {"twice": 2}},
        part(succeeded, "responseContext", "responsePayload"),
    ),
    row("dead-letter queue: the raw event", REC, '{"n": 1}', lambda trial: trial.scene(buried)["body"]),
    row(
        "dead-letter queue: attributes",
        REC,
        {"ErrorCode": ["Number", "200"], "ErrorMessage": ["String", "no"], "RequestID": ["String", Pattern(UUID4)]},
        lambda trial: trial.scene(buried)["attributes"],
    ),
    row("dead-letter queue: RequestID is the request's id", REC, True, lambda trial: trial.scene(buried)["same id"]),
    row(
        "dead-letter queue and destination both fire",
        REC,
        "RetriesExhausted",
        lambda trial: trial.scene(buried)["record"],
    ),
    beside("6 MB of payload, synchronous", DOC, {"status": 200}, sized(SYNC_BYTES, "RequestResponse")),
    beside("more than 6 MB, synchronous", REC, too_large(SYNC_BYTES), sized(SYNC_BYTES + 1, "RequestResponse")),
    beside("1 MB of payload, asynchronous", DOC, {"status": 200}, sized(EVENT_BYTES, "Event")),
    beside("more than 1 MB, asynchronous", DOC, too_large(EVENT_BYTES), sized(EVENT_BYTES + 1, "Event")),
    beside("200 MB streamed, and no more", DOC, {"most": True, "nearly": True, "failed": True}, streamed),
)
