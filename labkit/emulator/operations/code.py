"""Where the code of a function or layer comes from: the request itself, or an object of S3."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from labkit.emulator.account import Account, Params
from labkit.emulator.clients import CallFailed
from labkit.errors import InvalidParameterValue
from labkit.model import DeploymentPackage

NOTHING_GIVEN = "Please provide a source for function code."


async def package_of(account: Account, code: Params) -> DeploymentPackage:
    """The package that `ZipFile`, or `S3Bucket` and `S3Key`, name. Raises InvalidParameterValue, RequestTooLarge."""
    content = code.get("ZipFile")
    if content is not None:
        return await asyncio.to_thread(account.packages.add, content)
    if code.get("ImageUri"):
        raise InvalidParameterValue("labkit runs functions packaged as Zip; container images need Docker.")
    bucket, key = code.get("S3Bucket"), code.get("S3Key")
    if not bucket or not key:
        raise InvalidParameterValue(NOTHING_GIVEN)
    content = await account.read_object(bucket, key, code.get("S3ObjectVersion") or "")
    return await asyncio.to_thread(account.packages.add, content, uploaded=False)


def object_reader(call: Callable[..., Awaitable[dict[str, Any]]]) -> Callable[[str, str, str], Awaitable[bytes]]:
    """Reads objects with the account's own client; errors are in Lambda's words for them, with S3's inside."""

    async def read(bucket: str, key: str, version: str) -> bytes:
        params = {"Bucket": bucket, "Key": key} | ({"VersionId": version} if version else {})
        try:
            body: bytes = (await call("s3", "get_object", **params))["Body"]
        except CallFailed as error:
            raise InvalidParameterValue(
                f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}"
            ) from None
        return body

    return read
