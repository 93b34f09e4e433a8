"""The magics for what is deployed and was run: traces, bills, aliases, sample events. Thin, as `magics` are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from IPython.core.magic import Magics, line_magic, magics_class, needs_local_scope, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments

from labkit import events
from labkit.billing import US_EAST_1, Cost
from labkit.client import DeployedFunction, Lab
from labkit.client.alias import Alias, check_alias
from labkit.errors import BadEvent, BadMagicLine
from labkit.model import Trace
from labkit.notebook import cells, grammar
from labkit.notebook.display import Shown
from labkit.notebook.magics import LabMagics
from labkit.show import html, text


def event_options(magic: Callable[..., Any]) -> Callable[..., Any]:
    """An option for whatever may be chosen of some event, with the events that take it."""
    takers: dict[str, list[str]] = {}
    for kind in events.EVENTS:
        for name in events.parameters(kind):
            takers.setdefault(name, []).append(kind)
    for name, kinds in reversed(takers.items()):
        told = f"of {', '.join(kinds)}" if len(kinds) < len(takers) // 2 else "of most"
        if name == "n":
            magic = argument("-n", type=int, metavar="N", help=f"how many records; {told}")(magic)
        else:
            magic = argument(f"--{name.replace('_', '-')}", metavar=name.upper(), help=told)(magic)
    return magic


@magics_class
class OperateMagics(Magics):
    """labkit's magics for what is deployed and was run."""

    def __init__(self, magics: LabMagics) -> None:
        super().__init__(magics.shell)
        self._magics = magics

    @property
    def _lab(self) -> Lab:
        return self._magics.lab_of_kernel

    @magic_arguments()
    @argument("which", nargs="?", default="", help="a request id, or a function for its last call; nothing: the last")
    @line_magic
    def trace(self, line: str) -> Trace:
        """Show where one request spent its time: waiting, init and its imports, the handler.

        Example::

            %trace
            %trace predict
            t = %trace predict
        """
        return self._lab.trace(grammar.parse(self.trace, line).which)

    @magic_arguments()
    @argument("name", nargs="*", help="functions; nothing: all that have been called")
    @argument("--requests", type=float, metavar="N", help="what so many requests to each would cost, such as 1e6")
    @argument("--architecture", default="x86_64", help=f"{' or '.join(US_EAST_1.per_gb_s)} (default: x86_64)")
    @line_magic
    def cost(self, line: str) -> Cost:
        """Show the bill of what was run: requests, billed time, GB-seconds and US dollars by function.

        Example::

            %cost
            %cost predict --requests 1e6 --architecture arm64
        """
        a = grammar.parse(self.cost, line)
        return self._lab.cost(*a.name, requests=a.requests, architecture=a.architecture)

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("alias", nargs="?", help="the alias")
    @argument("version", nargs="?", help="the version that it shall name")
    @argument("--publish", action="store_true", help="publish the function as it is now, and take that version")
    @argument("--weight", action="append", default=[], metavar="VERSION=SHARE", help="a share of its calls, 0 to 1")
    @argument("--description", metavar="TEXT", help="a sentence about the alias")
    @argument("--delete", action="store_true", help="delete the alias")
    @line_magic
    def alias(self, line: str) -> Alias | Shown:
        """Name a version of a function, move the name, share its calls between two versions; list what there is.

        Without a version the alias keeps its own. Running the same line again changes nothing.

        Example::

            %alias predict live --publish
            %alias predict
            %alias predict live 1
            %alias predict live --delete
        """
        a = grammar.parse(self.alias, line)
        self._check_alias(a)
        version = self._lab.publish(a.name) if a.publish else a.version
        if a.delete:
            self._lab.delete_alias(a.name, a.alias)
        elif a.alias:
            return self._moved(a, version)
        found, versions = self._lab.aliases(a.name), self._lab.versions(a.name)
        return Shown(found, text.aliases(a.name, versions, found), html.aliases(a.name, versions, found))

    def _check_alias(self, a: Any) -> None:
        """Raises BadMagicLine for what cannot stand together."""
        if a.publish and a.version:
            raise BadMagicLine(
                f"%alias: --publish makes a version, and {a.version} names one.", hint="Give one of both."
            )
        if not a.alias and (a.delete or a.weight or a.description):
            raise BadMagicLine("%alias: which alias?", hint=f"For example %alias {a.name} live 1")
        if a.delete and (a.publish or a.version or a.weight or a.description):
            raise BadMagicLine("%alias: --delete takes a function and an alias, and nothing more.")

    def _moved(self, a: Any, version: str | None) -> Alias:
        if version is None:
            known = {alias.name: alias for alias in self._lab.aliases(a.name)}
            check_alias(a.name, a.alias, list(known))
            if not a.weight and a.description is None:
                return known[a.alias]
            version = known[a.alias].version
        weights = grammar.shares(a.weight)
        return self._lab.alias(a.name, a.alias, version, weights=weights, description=a.description)

    @magic_arguments()
    @argument("name", nargs="+", help="the functions' names")
    @line_magic
    def undeploy(self, line: str) -> Shown:
        """Delete functions, with their versions, aliases and the variables that are bound to them.

        Example::

            %undeploy predict
        """
        wanted = list(dict.fromkeys(grammar.parse(self.undeploy, line).name))
        for name in wanted:
            self._lab.function(name)  # either all or none
        for name in wanted:
            self._lab.delete(name)
            self._unbind(name)
        said = f"Deleted: {', '.join(wanted)}."
        return Shown(wanted, said, f"<p>{said}</p>")

    def _unbind(self, name: str) -> None:
        variable = cells.variable_name(name)
        bound = self.shell.user_ns.get(variable)
        if isinstance(bound, DeployedFunction) and bound.name == name:
            del self.shell.user_ns[variable]

    @magic_arguments()
    @argument("kind", nargs="?", help="which event; nothing: a list of all")
    @event_options
    @needs_local_scope
    @no_var_expand
    @line_magic
    def events(self, line: str, local_ns: dict[str, Any] | None = None) -> dict[str, Any] | Shown:
        """Make a sample event of anything that can call a function, in AWS's shape.

        An option's value is text; where an event has room for more, JSON or a Python expression in quotes. In a
        payload the same is `@events:KIND` with its options.

        Example::

            %events
            event = %events s3 --bucket photos --key raw/cat.png
            %events dynamodb --item '{"id": 7, "total": 12.5}' --action MODIFY
            %invoke predict @events:sqs --body '{"x": [1, 2]}' -n 2
        """
        if line.strip():
            return sample_event(line, {**self.shell.user_ns, **(local_ns or {})}, Path.cwd())
        return Shown(list(events.EVENTS), *all_events())


def sample_event(line: str, namespace: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The event of `sqs --body hello`. Raises BadEvent, BadMagicLine, PayloadUnreadable."""
    a = vars(grammar.parse(OperateMagics.events, line))
    kind = a.pop("kind")
    if kind is None:
        raise BadEvent("Which event?", hint=f"There are: {', '.join(events.EVENTS)}.")
    chosen = {name: value for name, value in a.items() if value is not None}
    if kind in events.EVENTS:
        for name in chosen.keys() & events.parameters(kind):
            chosen[name] = _value(name, chosen[name], str(events.parameters(kind)[name].annotation), namespace, folder)
    return events.sample(kind, **chosen)


def _value(name: str, given: Any, annotation: str, namespace: Mapping[str, Any], folder: Path) -> Any:
    """What an option's text means for a parameter of this type."""
    if annotation == "int":
        try:
            return int(given)
        except ValueError:
            raise BadMagicLine(f"--{name} {given}: expected a whole number.") from None
    if annotation.startswith(("dict", "Mapping")):
        value = grammar.payload(given, namespace, folder)
        if not isinstance(value, dict):
            raise BadMagicLine(f"--{name} {given}: expected an object.", hint=f"For example --{name} '{{\"id\": 7}}'")
        return value
    if annotation == "object" and given.startswith(("{", "[")):
        return grammar.payload(given, namespace, folder)
    return given


def all_events() -> tuple[str, str]:
    """The list of sample events, as text and as HTML."""
    rows = [(kind, " ".join(option(name) for name in events.parameters(kind))) for kind in events.EVENTS]
    return text.events(rows), html.events(rows)


def option(parameter: str) -> str:
    return "-n" if parameter == "n" else f"--{parameter.replace('_', '-')}"
