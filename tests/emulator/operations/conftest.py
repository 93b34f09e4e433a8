"""Functions to try operations on, and how a refusal is read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError


@pytest.fixture
def arn(create) -> str:
    """The ARN of a function `f` that exists."""
    return str(create()["FunctionArn"])


@pytest.fixture
def zipped() -> Callable[[str], bytes]:
    """A package with one module, app.py."""

    def make(source: str) -> bytes:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(zipfile.ZipInfo("app.py"), source)
        return buffer.getvalue()

    return make


@pytest.fixture
def create(aws, zipped) -> Callable[..., Any]:
    """Creates a function whose handler answers `says`."""

    def make(name: str = "f", says: object = "one", **more: Any) -> dict[str, Any]:
        code = {"ZipFile": zipped(f"def handler(event, context): return {says!r}")}
        role = "arn:aws:iam::123456789012:role/r"
        return aws.create_function(
            FunctionName=name, Runtime="python3.13", Role=role, Handler="app.handler", Code=code, **more
        )

    return make


@pytest.fixture
def refused() -> Callable[..., tuple[str, int, str]]:
    """Code, status and message of a call that must be refused."""

    def call(operation: Callable[..., Any], **params: Any) -> tuple[str, int, str]:
        with pytest.raises(ClientError) as caught:
            operation(**params)
        response = caught.value.response
        return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]

    return call
