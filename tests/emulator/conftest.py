"""boto3 clients on the shared emulator."""

from __future__ import annotations

from collections.abc import Iterator
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
def aws(hasty_aws) -> Any:
    """A client that waits for each of its changes."""

    def wait(http_response, parsed, **_: Any) -> None:
        if http_response.status_code < 300:
            hasty_aws.get_function_configuration(FunctionName=parsed["FunctionName"])

    for operation in CHANGES:
        hasty_aws.meta.events.register(f"after-call.lambda.{operation}", wait)
    return hasty_aws
