"""boto3 clients on the shared emulator."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config

CHANGES = ("CreateFunction", "UpdateFunctionCode", "UpdateFunctionConfiguration")


@pytest.fixture
def hasty_aws(lab) -> Iterator[Any]:
    """An unmodified client: after a change its caller must wait, as on AWS."""
    client = boto3.client("lambda", **lab.connection, config=Config(retries={"total_max_attempts": 1}))
    yield client
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        client.delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.fixture
def source_of(lab) -> Callable[[str], None]:
    """Makes the queue or stream of an ARN, if it is not there."""

    def make(arn: str) -> None:
        service, name = arn.split(":")[2], arn.rpartition(":")[2]
        if service == "sqs":
            fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
            lab.boto3("sqs").create_queue(QueueName=name, Attributes=fifo)
        elif service == "kinesis":
            kinesis = lab.boto3("kinesis")
            with suppress(kinesis.exceptions.ResourceInUseException):
                kinesis.create_stream(StreamName=name.partition("/")[2], ShardCount=1)

    return make


@pytest.fixture
def aws(hasty_aws) -> Any:
    """A client that waits for each of its changes."""

    def wait(http_response, parsed, **_: Any) -> None:
        if http_response.status_code < 300:
            hasty_aws.get_function_configuration(FunctionName=parsed["FunctionName"])

    for operation in CHANGES:
        hasty_aws.meta.events.register(f"after-call.lambda.{operation}", wait)
    return hasty_aws
