"""A function that notes what it gets, and the queues and mappings that feed it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from labkit import Lab

NOTING = """
import json
def handler(event, context):
    with open({path!r}, "a") as file: file.write(json.dumps(event) + "\\n")
{body}
"""


class Feed:
    """One function, `f`, in a lab, and what it was called with. The body of its handler is `body`."""

    def __init__(self, lab: Any, folder: Path, wait_until: Callable[..., None]) -> None:
        self.lab = lab
        self.wait_until = wait_until
        self.sqs, self.aws = lab.boto3("sqs"), lab.boto3("lambda")
        self._notes = folder / "notes"

    def deploy(self, body: str = "pass", name: str = "f", **config: Any) -> None:
        lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
        self.lab.deploy(name, NOTING.format(path=str(self._notes), body=lines), **config)

    def queue(self, name: str = "q", **attributes: Any) -> str:
        """A new queue's URL."""
        if name.endswith(".fifo"):
            attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", **attributes}
        texts = {key: each if isinstance(each, str) else json.dumps(each) for key, each in attributes.items()}
        return str(self.sqs.create_queue(QueueName=name, Attributes=texts)["QueueUrl"])

    def map(self, source: str = "arn:aws:sqs:us-east-1:123456789012:q", *, enabled: bool = True, **more: Any) -> str:
        """A mapping's id; it is polled when this returns, if it is to be."""
        made = self.aws.create_event_source_mapping(EventSourceArn=source, FunctionName="f", Enabled=enabled, **more)
        if enabled:
            self.wait_until(lambda: self.mapping(made["UUID"])["State"] == "Enabled")
        return str(made["UUID"])

    def mapping(self, mapping_id: str) -> dict[str, Any]:
        return dict(self.aws.get_event_source_mapping(UUID=mapping_id))

    @property
    def events(self) -> list[dict[str, Any]]:
        whole = self._notes.read_text().rpartition("\n")[0] if self._notes.exists() else ""
        return [json.loads(line) for line in whole.splitlines()]

    @property
    def bodies(self) -> list[list[str]]:
        """Of each call, the messages' bodies."""
        return [[record["body"] for record in event["Records"]] for event in self.events]

    @property
    def seen(self) -> list[str]:
        """All messages' bodies, call after call."""
        return [body for call in self.bodies for body in call]

    def count(self, url: str) -> int:
        """Messages of a queue, those in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(each) for each in found.values())

    def close(self) -> None:
        """Nothing is left for the next test; the clock stays where it is."""
        for mapping in self.aws.list_event_source_mappings()["EventSourceMappings"]:
            self.aws.delete_event_source_mapping(UUID=mapping["UUID"])
        for name in self.lab.names():
            self.lab.delete(name)
        for url in self.sqs.list_queues().get("QueueUrls", ()):
            self.sqs.delete_queue(QueueUrl=url)
        kinesis, tables = self.lab.boto3("kinesis"), self.lab.boto3("dynamodb")
        for name in kinesis.list_streams()["StreamNames"]:
            kinesis.delete_stream(StreamName=name)
        for name in tables.list_tables()["TableNames"]:
            tables.delete_table(TableName=name)


@pytest.fixture(scope="session")
def fed_lab() -> Iterator[Lab]:
    """A lab whose clock these tests move, one after another."""
    with Lab(notice=lambda message: None) as lab:
        yield lab


@pytest.fixture
def feed(fed_lab: Lab, tmp_path: Path, wait_until: Callable[..., None]) -> Iterator[Feed]:
    made = Feed(fed_lab, tmp_path, wait_until)
    yield made
    made.close()
