"""An unmodified boto3 client on a running emulator, with one small function, `f`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from labkit import Lab


@pytest.fixture
def aws(lab: Lab) -> Iterator[Any]:
    client = boto3.client(
        "lambda", endpoint_url=lab.endpoint, region_name="us-east-1",
        aws_access_key_id="x", aws_secret_access_key="y", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    yield client
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        client.delete_event_source_mapping(UUID=mapping["UUID"])


@pytest.fixture
def create(aws: Any) -> Callable[..., Any]:
    """Creates a function that returns its event."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", "def handler(event, context): return event")

    def create(name: str = "f", **more: Any) -> Any:
        return aws.create_function(
            FunctionName=name, Runtime="python3.13", Role="arn:aws:iam::123456789012:role/r",
            Handler="app.handler", Code={"ZipFile": buffer.getvalue()}, **more,
        )  # fmt: skip

    return create


@pytest.fixture
def arn(create: Callable[..., Any]) -> str:
    """The ARN of a function `f` that exists."""
    return str(create()["FunctionArn"])


@pytest.fixture
def refused() -> Callable[..., tuple[str, int, str]]:
    """Code, status and message of the error that a call must end with."""

    def refused(call: Callable[..., Any], **parameters: Any) -> tuple[str, int, str]:
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        response = caught.value.response
        error: Any = response["Error"]
        return error["Code"], response["ResponseMetadata"]["HTTPStatusCode"], error["Message"]

    return refused
