"""The emulator's own calls of the account's other services, by botocore at the emulator's own front door.

Each call waits in a thread, so that the loop never does. What goes wrong is one error, CallFailed.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

from labkit.emulator.signing import Credentials

LONGEST_CALL_S = 30
# a user's profiles say nothing about the lab
NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class CallFailed(Exception):
    """A service refused a call, or was not reached: its code, and its words."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code, self.message = code, message


class Clients:
    """botocore's clients of one endpoint, made on first use."""

    def __init__(self, endpoint: str, credentials: Credentials, *, region: str) -> None:
        self.endpoint = endpoint
        self._credentials = credentials
        self._region = region
        self._clients: dict[tuple[str, str], asyncio.Task[Any]] = {}

    async def call(self, service: str, operation: str, *, region: str = "", **params: Any) -> dict[str, Any]:
        """One operation by its boto3 name; a body that is streamed is read. Raises CallFailed."""
        key = (service, region or self._region)
        if key not in self._clients or self._clients[key].cancelled():
            self._clients[key] = asyncio.create_task(asyncio.to_thread(self._client, *key))
        client = await asyncio.shield(self._clients[key])
        return await asyncio.to_thread(_called, client, operation, params)

    def _client(self, service: str, region: str) -> Any:
        import botocore.session  # a cold path: most labs never come here
        from botocore.config import Config

        session = botocore.session.Session(session_vars=NO_FILES)
        return session.create_client(
            service,
            region_name=region,
            endpoint_url=self.endpoint,
            aws_access_key_id=self._credentials.access_key_id,
            aws_secret_access_key=self._credentials.secret_access_key,
            aws_session_token=self._credentials.session_token or None,
            config=Config(
                retries={"total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=LONGEST_CALL_S,
                max_pool_connections=50,
                proxies={},
                s3={"addressing_style": "path"},
            ),
        )


def _called(client: Any, operation: str, params: dict[str, Any]) -> dict[str, Any]:
    import botocore.exceptions as wrong

    try:
        answer: dict[str, Any] = getattr(client, operation)(**params)
        if hasattr(answer.get("Body"), "read"):
            answer["Body"] = answer["Body"].read()
    except wrong.ClientError as error:
        said = error.response.get("Error", {})
        raise CallFailed(said.get("Code", ""), said.get("Message", "")) from None
    except wrong.BotoCoreError as error:
        raise CallFailed(type(error).__name__, str(error)) from None
    return answer
