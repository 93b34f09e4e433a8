"""How the processes of an environment end, by AWS's time limits. Pure: it takes `now` and says what is due.

Without extensions: SIGKILL at once. With one, the runtime gets SIGTERM first; when it has ended or its share is used
up, it is killed and the external extensions that asked for it get the SHUTDOWN event; at the limit everything left
is killed. Limits: Lambda execution environment, "Shutdown phase" (0, 500 ms with an internal extension, 2,000 ms
with an external one); the runtime's share is that of AWS's runtime interface emulator (lambda/rapid/shutdown.go).
"""

from __future__ import annotations

from enum import Enum

import msgspec

EXTERNAL_S, INTERNAL_S = 2.0, 0.5
RUNTIME_SHARE = 0.3


class Due(Enum):
    NOTHING = "nothing"
    TELL = "tell the extensions"
    KILL = "kill what is left"


class Shutdown(msgspec.Struct):
    """One shutdown under way. `reason` is AWS's: spindown, timeout or failure."""

    reason: str
    runtime_until: float
    until: float
    told: bool = False

    def due(self, now: float, *, runtime_alive: bool) -> Due:
        """What is to be done now; TELL comes once."""
        if now >= self.until:
            return Due.KILL
        if self.told or (runtime_alive and now < self.runtime_until):
            return Due.NOTHING
        self.told = True
        return Due.TELL


def begin(now: float, reason: str, *, external: bool, internal: bool) -> Shutdown | None:
    """The shutdown of what has extensions; None if there is nothing to wait for."""
    if external:
        return Shutdown(reason, now + RUNTIME_SHARE * EXTERNAL_S, now + EXTERNAL_S)
    if internal:
        return Shutdown(reason, now + INTERNAL_S, now + INTERNAL_S)
    return None
