"""The emulator: Lambda on this machine, in a process of its own. One asyncio loop, no locks.

Starts by command line (`labkit serve`, `python -m labkit.emulator`), never by import: a notebook's kernel holds
nothing of it.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the emulator until it is told to end; returns the exit status."""
    from labkit.emulator.server import main as serve  # loads the web server: only when it is to run

    return serve(argv)
