"""Access keys that moto makes, without `--iam`: those of users, and of sessions of roles that somebody has assumed.

They may do everything then, as the owner's may, but they must sign: `verifier` knows their secrets from before the one
who had them made hears of them, until they are deleted, made inactive, or out of their time. All are read again
whenever somebody has changed something of IAM. With `--iam`, `principals` does this and much more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from labkit.emulator.signing import Credentials, Verifier

Ask = Callable[..., Awaitable[Any]]


class Keyring:
    """See the module's docstring. `ask` asks moto's process."""

    def __init__(self, ask: Ask, verifier: Verifier) -> None:
        self._ask, self._verifier = ask, verifier
        self._known: set[str] = set()
        self._asked = self._answered = 0

    async def changed(self, *_change: str) -> None:
        """Somebody changed something of IAM. Returns when it is known. Raises ServicesNotStarted."""
        self._asked += 1
        number = self._asked
        found = await self._ask("keys")
        if number < self._answered:  # who asked later was answered before
            return
        self._answered = number
        for gone in self._known - found.keys():
            self._drop(gone)
        for key_id in found.keys() - self._known:
            self._admit(key_id, found[key_id])

    def _admit(self, key_id: str, page: Mapping[str, Any]) -> None:
        if page["expires_at"] is not None:
            left_s = page["expires_at"] - time.time()
            if left_s <= 0:
                return
            asyncio.get_running_loop().call_later(left_s, self._drop, key_id)
        self._known.add(key_id)
        self._verifier.admit(Credentials(key_id, page["secret"], page["token"]))

    def forget(self) -> None:
        """The account is empty."""
        for key_id in list(self._known):
            self._drop(key_id)

    def _drop(self, key_id: str) -> None:
        self._known.discard(key_id)
        self._verifier.forget(key_id)
