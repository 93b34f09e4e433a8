"""The handle of a deployed function."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labkit.billing import Cost
from labkit.client.alias import Alias
from labkit.load import ClosedLoop, Load
from labkit.loadtest import LoadTest
from labkit.model import Outcome, Outcomes, Trace, Trigger
from labkit.power import MEMORY_MB, PowerTuning
from labkit.simulation import Simulation

if TYPE_CHECKING:
    from labkit.client.lab import Lab


@dataclass(frozen=True, slots=True)
class DeployedFunction:
    """A function on an endpoint, as it was when this handle was made.

    `change` says what deploying did: created, updated, unchanged. `requirements` are the distributions that the
    source imports; `missing` the modules it imports that are found nowhere.

    >>> double = lab.deploy("double", "def handler(event, context): return 2 * event")
    >>> double.invoke(21).payload
    42
    """

    name: str
    arn: str
    handler: str
    runtime: str
    memory_mb: int
    timeout_s: int
    version: str
    code_sha256: str
    size_bytes: int
    variables: tuple[tuple[str, str], ...] = ()
    requirements: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    change: str = "unchanged"
    lab: Lab | None = field(default=None, repr=False, compare=False)

    def invoke(self, event: object = None, **options: Any) -> Outcome:
        """Runs the handler once; see Lab.invoke."""
        return self._lab().invoke(self.name, event, **options)

    def coldstart(
        self,
        n: int = 5,
        event: object = None,
        *,
        memory_mb: Sequence[int] = (),
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Outcomes:
        """Measures fresh environments against used ones; see Lab.coldstart."""
        return self._lab().coldstart(self.name, n, event, memory_mb=memory_mb, on_progress=on_progress)

    def simulate(self, load: Load | ClosedLoop, **options: Any) -> Simulation:
        """A load against this function in virtual time; see Lab.simulate."""
        return self._lab().simulate(self.name, load, **options)

    def loadtest(self, load: Load, event: object = None, **options: Any) -> LoadTest:
        """A load against this function for real; see Lab.loadtest."""
        return self._lab().loadtest(self.name, load, event, **options)

    def power(self, memory_mb: Sequence[int] = MEMORY_MB, event: object = None, **options: Any) -> PowerTuning:
        """What each memory size would cost and take; see Lab.power."""
        return self._lab().power(self.name, memory_mb, event, **options)

    def function_url(self, *, auth: str = "NONE", invoke_mode: str = "BUFFERED") -> str:
        """An HTTP address that any program can call; see Lab.function_url."""
        return self._lab().function_url(self.name, auth=auth, invoke_mode=invoke_mode)

    def trigger(self, source: str, **options: Any) -> Trigger:
        """Has a bucket, a queue, a schedule ... call it; see Lab.trigger."""
        return self._lab().trigger(self.name, source, **options)

    def logs(self) -> list[tuple[str, str]]:
        """Log streams, oldest first: (name, text)."""
        return self._lab().logs(self.name)

    def trace(self) -> Trace:
        """The trace of its last call; see Lab.trace."""
        return self._lab().trace(self.name)

    def cost(self, **options: Any) -> Cost:
        """The bill of its calls; see Lab.cost."""
        return self._lab().cost(self.name, **options)

    def publish(self, description: str = "") -> str:
        """A version of it as it is now; see Lab.publish."""
        return self._lab().publish(self.name, description)

    def alias(self, alias: str, version: str, **options: Any) -> Alias:
        """A name for a version; see Lab.alias."""
        return self._lab().alias(self.name, alias, version, **options)

    def aliases(self) -> list[Alias]:
        """Its aliases, by name."""
        return self._lab().aliases(self.name)

    def delete(self) -> None:
        """Deletes it with its versions and aliases; see Lab.delete."""
        self._lab().delete(self.name)

    def _lab(self) -> Lab:
        assert self.lab is not None
        return self.lab
