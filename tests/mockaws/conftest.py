"""moto in this process, corrected as it is in its own; its deliveries are kept instead of brought."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from moto import mock_aws

from labkit.mockaws import corrected, seam
from labkit.mockaws.seam import DRY_RUN, Delivery, Reply


class Kept:
    """A courier that keeps deliveries; `refusals` says what it answers for a function's ARN."""

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.questions: list[Delivery] = []
        self.refusals: dict[str, Reply] = {}

    def send(self, delivery: Delivery) -> Reply:
        (self.questions if delivery.kind == DRY_RUN else self.deliveries).append(delivery)
        return self.refusals.get(delivery.function_arn, Reply())


@pytest.fixture
def kept() -> Iterator[Kept]:
    corrected.install()
    courier = Kept()
    seam.use(courier)
    yield courier
    seam.use(None)
    corrected.uninstall()


@pytest.fixture
def moto_here(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """boto3's clients in this process reach moto's services, not a lab."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield kept
