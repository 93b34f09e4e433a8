"""Sees requests for other services pass by, and wakes the timer when one may have changed what is scheduled.

The timer, and all that it needs, is made at the first such request: most labs schedule nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, MutableMapping
from typing import Any, Protocol

Scope = MutableMapping[str, Any]
SCOPE = re.compile(rb"Credential=[^/,\s]+/\d{8}/([^/,\s]+)/")
RULES, SCHEDULES = "events", "scheduler"
CHANGES = frozenset(
    f"AWSEvents.{operation}".encode()
    for operation in ("PutRule", "DeleteRule", "EnableRule", "DisableRule", "PutTargets", "RemoveTargets")
)


class Timer(Protocol):
    def changed(self, service: str, region: str) -> None: ...
    def forget(self) -> None: ...
    def stop(self) -> None: ...


class Watch:
    """See the module's docstring. `make` makes the timer."""

    def __init__(self, make: Callable[[], Timer]) -> None:
        self._make = make
        self._timer: Timer | None = None

    def passed(self, service: str, scope: Scope) -> None:
        """A request has been answered by moto, the answer is not on its way yet."""
        services = changed_by(service, scope)
        signed = SCOPE.search(dict(scope["headers"]).get(b"authorization", b""))
        if not services or not signed:
            return
        self._timer = self._timer or self._make()
        for name in services:
            self._timer.changed(name, signed[1].decode("latin-1"))

    def forget(self) -> None:
        """moto has been cleared."""
        if self._timer:
            self._timer.forget()

    def stop(self) -> None:
        if self._timer:
            self._timer.stop()


def changed_by(service: str, scope: Scope) -> tuple[str, ...]:
    """PURE: of which services a request may change what is scheduled. A stack may hold rules."""
    if service == RULES:
        return (RULES,) if dict(scope["headers"]).get(b"x-amz-target") in CHANGES else ()
    if service == SCHEDULES:
        return (SCHEDULES,) if scope["method"] != "GET" else ()
    return (RULES, SCHEDULES) if service == "cloudformation" else ()
