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

    magics, lesson = LabMagics(ipython), LessonMagics(ipython)
    ipython.register_magics(magics, lesson)
    completer = matcher(magics)
    ipython.Completer.custom_matchers.append(completer)
    display.register(ipython)
    ipython.events.register("pre_run_cell", live.OUTPUTS.begin)
    ipython.events.register("post_run_cell", live.after_cell)
    setattr(ipython, _REGISTERED, (magics, completer, lesson))


def unload_ipython_extension(ipython: InteractiveShell) -> None:
    """`%unload_ext labkit`: stops the lab and leaves nothing behind."""
    if not hasattr(ipython, _REGISTERED):
        return
    from labkit.notebook import display, live

    magics, completer, lesson = getattr(ipython, _REGISTERED)
    magics.stop()
    ipython.events.unregister("pre_run_cell", live.OUTPUTS.begin)
    ipython.events.unregister("post_run_cell", live.after_cell)
    live.stop()
    for each in (magics, lesson):
        for kind, names in each.magics.items():
            for name in names:
                ipython.magics_manager.magics[kind].pop(name, None)
        ipython.magics_manager.registry.pop(type(each).__name__, None)
        ipython.configurables.remove(each)
    ipython.Completer.custom_matchers.remove(completer)
    display.unregister(ipython)
    delattr(ipython, _REGISTERED)
