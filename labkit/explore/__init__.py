"""Explorers: plain functions that give a `View` (a table, a figure, a question), and sliders over them.

Each is a whole by itself: a lesson calls it once with its defaults, and every front end shows it.

>>> from labkit import explore
>>> explore.memory(1024, cpu_s=0.5)
>>> explore.sliders(explore.memory)
"""

from labkit.explore.controls import sliders
from labkit.explore.limits import concurrency
from labkit.explore.plane import drag
from labkit.explore.points import fit
from labkit.explore.rates import traffic
from labkit.explore.sizes import memory
from labkit.explore.view import View

__all__ = ["View", "concurrency", "drag", "fit", "memory", "sliders", "traffic"]
