"""Runs event source mappings: one poller for each that is enabled (`poller`, imported with the first of them).

Mappings of another life of the emulator begin with the first hint: moto, which holds all queues and streams in memory,
cannot have anything before somebody has started it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from labkit.emulator.clock import Clock
from labkit.emulator.destinations import Call
from labkit.emulator.invoker import Answer
from labkit.emulator.registry import EventSourceMapping, Reference, Registry
from labkit.emulator.triggers.hints import sources_fed

if TYPE_CHECKING:
    from labkit.emulator.triggers.poller import Poller


class Invoke(Protocol):
    """The invoker's, synchronous. Raises ServiceErrors."""

    async def __call__(self, reference: Reference, payload: bytes, /, *, trace_id: str = "") -> Answer: ...


class Keep(Protocol):
    """Writes a mapping's record as it is now."""

    def __call__(self, mapping_id: str, /) -> None: ...


class Parts(msgspec.Struct, frozen=True):
    """What pollers are made of."""

    registry: Registry
    clock: Clock
    invoke: Invoke
    call: Call
    deliver: Callable[[str, bytes], Awaitable[object]]
    keep: Keep


class Pollers:
    """See the module's docstring."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._pollers: dict[str, Poller] = {}
        self._stopped = False

    def changed(self, mapping_id: str) -> None:
        """A mapping is new, was changed or is gone."""
        self._look(mapping_id, awake=True)

    def resume(self) -> None:
        """After a start, with the mappings that were kept."""
        for mapping_id in list(self._parts.registry.mappings):
            self._look(mapping_id, awake=False)

    def _look(self, mapping_id: str, *, awake: bool) -> None:
        if poller := self._pollers.get(mapping_id):
            poller.poke()
        mapping = self._parts.registry.mappings.get(mapping_id)
        if mapping is None:
            return
        if mapping.enabled and not self._stopped:
            poller = self._pollers.get(mapping_id) or self._new(mapping)
            poller.start(awake=awake)
        elif mapping.polled and not (poller and poller.alive):
            self._parts.registry.mappings[mapping_id] = msgspec.structs.replace(mapping, polled=False)
            self._parts.keep(mapping_id)

    def _new(self, mapping: EventSourceMapping) -> Poller:
        from labkit.emulator.triggers.poller import Poller  # a cold path: most labs have no mapping

        poller = self._pollers[mapping.mapping_id] = Poller(mapping, self._parts)
        return poller

    async def check(self, mapping: EventSourceMapping, *, timeout_s: float) -> None:
        """Raises InvalidParameterValue if a function with this timeout cannot be fed from there."""
        from labkit.emulator.triggers.existence import check_source  # likewise

        await check_source(self._parts.call, mapping, account_id=self._parts.registry.account_id, timeout_s=timeout_s)

    def passed(self, service: str, scope: MutableMapping[str, Any]) -> None:
        """A request for another service has been answered."""
        if not self._pollers:
            return
        fed = sources_fed(service, scope["method"], dict(scope["headers"]).get(b"x-amz-target", b""))
        for mapping_id, poller in list(self._pollers.items()):
            if poller.service in fed:
                poller.poke()
            if not poller.alive and mapping_id not in self._parts.registry.mappings:
                del self._pollers[mapping_id]

    def stop(self) -> None:
        self._stopped = True
        for poller in self._pollers.values():
            poller.stop()
