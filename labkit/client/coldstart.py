"""Measures first calls against later ones: a fresh environment, one call that meets it, four that find it used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from labkit.model import Outcome, Outcomes

WARM_PER_COLD = 4


@dataclass(frozen=True, slots=True)
class ColdStarts:
    """What is measured and by which means: `renew` takes the used environments away, `resize` sets the memory."""

    name: str
    n: int
    invoke: Callable[[], Outcome]
    renew: Callable[[], object]
    resize: Callable[[int], None]
    on_progress: Callable[[int, int], None] | None = None

    def measured(self, sizes: Sequence[int], *, restore: int) -> Outcomes:
        """Each size in turn, in MB; the function's own is restored, whatever happens."""
        series = []
        try:
            for done, size in enumerate(sizes):
                self.resize(size)
                label = self.name if len(sizes) == 1 else f"{self.name}, {size} MB"
                series.append(Outcomes(label, self._series(done * self.n, len(sizes) * self.n)))
        finally:
            self.resize(restore)
        return sum(series[1:], series[0])

    def _series(self, done: int, total: int) -> tuple[Outcome, ...]:
        """Ends with the first that fails: it has no cold start to speak of."""
        items: list[Outcome] = []
        while len(items) < self.n * (1 + WARM_PER_COLD) and (not items or items[-1].ok):
            if len(items) % (1 + WARM_PER_COLD) == 0:
                self.renew()
                done += 1
                if self.on_progress:
                    self.on_progress(done, total)
            items.append(self.invoke())
        return tuple(items)
