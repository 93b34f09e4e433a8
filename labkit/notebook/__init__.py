"""The IPython extension: magics, completion, formatters. The only home of IPython and widgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

_REGISTERED = "_labkit"


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """`%load_ext labkit`. Loading twice is harmless."""
    if hasattr(ipython, _REGISTERED):
        return
    from labkit.notebook import display, live
    from labkit.notebook.completion import matcher
    from labkit.notebook.lesson_magics import LessonMagics
    from labkit.notebook.magics import LabMagics
    from labkit.notebook.operate import OperateMagics

    magics = LabMagics(ipython)
    ours = (magics, OperateMagics(magics), LessonMagics(ipython))
    known = ipython.magics_manager.magics
    # %alias is IPython's own, for commands of the system
    hidden = [
        (kind, name, known[kind].get(name)) for each in ours for kind in each.magics for name in each.magics[kind]
    ]
    ipython.register_magics(*ours)
    completer = matcher(magics)
    ipython.Completer.custom_matchers.append(completer)
    ipython.events.register("post_run_cell", magics.end_after_reset)
    display.register(ipython)
    ipython.events.register("pre_run_cell", live.OUTPUTS.begin)
    ipython.events.register("post_run_cell", live.after_cell)
    setattr(ipython, _REGISTERED, (ours, completer, hidden))


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """`%unload_ext labkit`: stops the lab and leaves nothing behind."""
    if not hasattr(ipython, _REGISTERED):
        return
    from labkit.notebook import display, live

    ours, completer, hidden = getattr(ipython, _REGISTERED)
    ours[0].stop()
    ipython.events.unregister("post_run_cell", ours[0].end_after_reset)
    ipython.events.unregister("pre_run_cell", live.OUTPUTS.begin)
    ipython.events.unregister("post_run_cell", live.after_cell)
    live.stop()
    for kind, name, before in hidden:
        ipython.magics_manager.magics[kind].pop(name, None)
        if before is not None:
            ipython.magics_manager.magics[kind][name] = before
    for magics in ours:
        ipython.magics_manager.registry.pop(type(magics).__name__, None)
        if magics in ipython.configurables:
            ipython.configurables.remove(magics)
    ipython.Completer.custom_matchers.remove(completer)
    display.unregister(ipython)
    delattr(ipython, _REGISTERED)
