"""An unmodified boto3 client on the shared emulator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config


@pytest.fixture
def aws(lab) -> Iterator[Any]:
    client = boto3.client(
        "lambda", endpoint_url=lab.endpoint, region_name="us-east-1",
        aws_access_key_id="x", aws_secret_access_key="y", config=Config(retries={"total_max_attempts": 1}),
    )  # fmt: skip
    yield client
    for mapping in client.list_event_source_mappings()["EventSourceMappings"]:
        client.delete_event_source_mapping(UUID=mapping["UUID"])
