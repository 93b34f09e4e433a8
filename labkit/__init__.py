"""labkit: notebook cells become serverless handlers that really run.

Importing this package costs nothing: the public names load on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import labkit.events as events
    from labkit.client import DeployedFunction, Lab, Outcome, Outcomes
    from labkit.notebook import load_ipython_extension, unload_ipython_extension
    from labkit.notebook.dashboard import dashboard

__version__ = "0.1.0"

__all__ = [
    "DeployedFunction",
    "Lab",
    "Outcome",
    "Outcomes",
    "dashboard",
    "events",
    "load_ipython_extension",
    "unload_ipython_extension",
]

_HOMES = {
    "DeployedFunction": "labkit.client",
    "Lab": "labkit.client",
    "Outcome": "labkit.client",
    "Outcomes": "labkit.client",
    "dashboard": "labkit.notebook.dashboard",
    "load_ipython_extension": "labkit.notebook",
    "unload_ipython_extension": "labkit.notebook",
}


def __getattr__(name: str) -> object:
    if name == "events":
        return import_module("labkit.events")
    if name not in _HOMES:
        raise AttributeError(f"module 'labkit' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, "events"})
