"""The magics: they parse and delegate. Each is a thin spelling of a method of `Lab`."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

from IPython.core.magic import (
    Magics,
    cell_magic,
    line_cell_magic,
    line_magic,
    magics_class,
    needs_local_scope,
    no_var_expand,
)
from IPython.core.magic_arguments import argument, magic_arguments
from IPython.display import display
from traitlets import Int, Unicode

from labkit.client import DeployedFunction, Outcome, Outcomes
from labkit.client.api import KINDS, Api
from labkit.client.durations import seconds_of
from labkit.errors import BadMagicLine, InvocationFailed, nearest
from labkit.load import PATTERNS, pattern
from labkit.loadtest import LoadTest
from labkit.model import Trigger
from labkit.notebook import cells, grammar
from labkit.notebook.display import Shown
from labkit.notebook.live import LiveLab
from labkit.power import MEMORY_MB, STRATEGIES, PowerTuning
from labkit.show import html, text
from labkit.simulation import Simulation

MARK = "_labkit_runs"  # a variable of the notebook's that %reset takes away with all others
LAB_ACTIONS = ("status", "stop", "restart", "advance", "watch", "dashboard")


@magics_class
class LabMagics(Magics):
    """labkit's magics. `%config LabMagics` shows what can be set."""

    endpoint = Unicode("", help="Attach to this running emulator instead of starting one.").tag(config=True)
    memory = Int(128, help="Memory in MB of a function whose cell does not say.").tag(config=True)
    timeout = Int(3, help="Timeout in seconds of a function whose cell does not say.").tag(config=True)

    _lab: LiveLab | None = None

    @property
    def lab_of_kernel(self) -> LiveLab:
        """The one lab of this kernel, made on first use."""
        self.end_after_reset()
        if self._lab is None:
            self._lab = LiveLab(self.endpoint, notice=_notice)
            for names in (self.shell.user_ns, self.shell.user_ns_hidden):
                names[MARK] = True
        return self._lab

    def stop(self) -> None:
        """Ends the lab and all that is its own."""
        lab, self._lab = self._lab, None
        self.shell.user_ns.pop(MARK, None)
        if lab is not None:
            with lab:  # whose end also takes back what it left to do at the process's
                pass

    def end_after_reset(self, *_: object) -> None:
        """`%reset` has taken the variables away, the functions among them: their lab ends as well."""
        if self._lab is not None and MARK not in self.shell.user_ns:
            self.stop()

    def names(self) -> list[str]:
        """What is deployed, without starting anything."""
        return self._lab.names() if self._lab is not None and self._lab.running else []

    def aliases(self, name: str) -> list[str]:
        """The aliases of one that is deployed."""
        return [alias.name for alias in self._lab.aliases(name)] if self._lab and name in self.names() else []

    def versions(self, name: str) -> list[str]:
        """The versions of one that is deployed, the newest first."""
        return self._lab.versions(name)[::-1] if self._lab and name in self.names() else []

    def request_ids(self, newest: int) -> list[str]:
        """Of the newest requests that left a trace, the last one first."""
        traces = self._lab.traces() if self._lab is not None and self._lab.running else []
        return [trace.request_id for trace in traces[: -newest - 1 : -1]]

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("--memory", type=int, metavar="MB", help="memory in MB, 128 to 10240 (default: 128)")
    @argument("--timeout", type=int, metavar="SECONDS", help="1 to 900 (default: 3)")
    @argument("--env", action="append", default=[], metavar="K=V", help="an environment variable; may be repeated")
    @argument(
        "--include", action="extend", nargs="+", default=[], metavar="FILE",
        help="files, folders or patterns to ship with the handler, relative to the notebook",
    )  # fmt: skip
    @argument("--handler", metavar="FUNCTION", help="the function to call, if it is not `handler`")
    @argument("--layer", action="append", default=[], metavar="ARN", help="a layer version; may be repeated")
    @argument("--description", default="", metavar="TEXT", help="a sentence about the function")
    @argument("-o", dest="output", metavar="VARIABLE", help="also bind the function to this variable")
    @cell_magic
    def function(self, line: str, cell: str) -> DeployedFunction:
        """Deploy this cell as a function; it then runs in a process of its own.

        The handler is `handler(event, context)`, or the only function with two parameters. The cell must stand
        alone: it sees what it defines, imports, or ships with --include. The function is bound to its name.

        Example::

            %%function hello --memory 128
            def handler(event, context):
                return "hello " + event["name"]
        """
        a = grammar.parse(self.function, line)
        deployed = self.lab_of_kernel.deploy(
            a.name,
            cells.source(a.name, cell),
            handler=a.handler,
            memory_mb=a.memory or self.memory,
            timeout_s=a.timeout or self.timeout,
            variables=grammar.variables(a.env),
            include=a.include,
            layers=a.layer,
            description=a.description,
        )
        self.shell.user_ns[cells.variable_name(a.name)] = deployed
        if a.output:
            self.shell.user_ns[a.output] = deployed
        return deployed

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("--event", action="store_true", help="asynchronously: accepted now, run later, repeated if it fails")
    @argument("--qualifier", metavar="VERSION", help="a version or an alias")
    @argument("--check", action="store_true", help="raise an error if the handler fails")
    @needs_local_scope
    @no_var_expand
    @line_magic
    def invoke(self, line: str, local_ns: dict[str, Any] | None = None) -> Outcome:
        """Call a function once and show what comes back.

        After the options comes the payload: JSON, a Python expression, @file.json, or nothing for {}. A handler
        that fails is a result like any other; --check makes it an error of the notebook.

        Example::

            %invoke hello {"name": "Ada"}
            %invoke predict {"x": X[0].tolist()}
        """
        a, rest = grammar.parse_with_payload(self.invoke, line)
        event = grammar.payload(rest, {**self.shell.user_ns, **(local_ns or {})}, Path.cwd())
        kind = "Event" if a.event else "RequestResponse"
        outcome = self.lab_of_kernel.invoke(a.name, event, qualifier=a.qualifier, kind=kind)
        if a.check and outcome.error is not None:
            display(outcome)
            raise InvocationFailed(f"{a.name} failed with {outcome.error.error_type}: {outcome.error.message}")
        return outcome

    @magic_arguments()
    @argument("name", nargs="+", help="one function, or several to compare")
    @argument("-n", type=int, default=5, help="cold starts to measure (default: 5)")
    @argument("--memory", metavar="MB,MB", help="measure with each of these memory sizes, then restore the function's")
    @argument("--payload", metavar="PAYLOAD", help="the event, as for invoke; it takes the rest of the line")
    @needs_local_scope
    @no_var_expand
    @line_magic
    def coldstart(self, line: str, local_ns: dict[str, Any] | None = None) -> Outcomes:
        """Measure the first call of a fresh environment against calls of a used one.

        Separates process start, runtime start, imports, the module's own code and the first call of the handler.

        Example::

            %coldstart predict -n 10 --payload {"x": [1, 2, 3]}
        """
        a, rest = grammar.parse_before_payload(self.coldstart, line)
        if a.n < 1:
            raise BadMagicLine(f"-n {a.n}: at least one cold start is needed.", hint="For example -n 5")
        event = grammar.payload(rest, {**self.shell.user_ns, **(local_ns or {})}, Path.cwd())
        sizes = grammar.numbers(a.memory, "--memory") if a.memory else ()
        measured = [self.lab_of_kernel.coldstart(name, a.n, event, memory_mb=sizes) for name in a.name]
        return sum(measured[1:], measured[0])

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("--rate", type=float, required=True, metavar="R", help="requests per second, on average")
    @argument("--for", dest="duration", required=True, metavar="T", help="how long: 90s, 10m, 1h30m, or seconds")
    @argument("--pattern", default="poisson", help=f"{', '.join(PATTERNS)} (default: poisson)")
    @argument("--limit", type=int, metavar="N", help="reserved concurrency (default: none, an account of 1,000)")
    @argument("--seed", type=int, default=0, help="another number, another course of chance (default: 0)")
    @line_magic
    def simulate(self, line: str) -> Simulation:
        """Run a load against a function in virtual time: an hour takes seconds, and calls nothing.

        Service and init times are drawn from those that this lab has measured: run %coldstart first.

        Example::

            %simulate predict --rate 50 --for 10m --pattern bursts --limit 20
        """
        from labkit.simulate import Limits  # not before somebody simulates

        a = grammar.parse(self.simulate, line)
        load = pattern(a.pattern, a.rate, for_s=seconds_of(a.duration), seed=a.seed)
        return self.lab_of_kernel.simulate(a.name, load, limits=Limits(reserved=a.limit), seed=a.seed)

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("--rate", type=float, required=True, metavar="R", help="requests per second, on average")
    @argument("--for", dest="duration", required=True, metavar="T", help="how long: 30s, 2m, or seconds")
    @argument("--pattern", default="poisson", help=f"{', '.join(PATTERNS)} (default: poisson)")
    @argument("--seed", type=int, default=0, help="another number, another course of chance (default: 0)")
    @argument("--payload", metavar="PAYLOAD", help="the event, as for invoke; it takes the rest of the line")
    @needs_local_scope
    @no_var_expand
    @line_magic
    def loadtest(self, line: str, local_ns: dict[str, Any] | None = None) -> LoadTest:
        """Send a load to a function for real, and watch its environments.

        Each request leaves at its time, whether or not earlier ones were answered. Interrupting the cell ends the
        load and gives what was measured. %simulate runs the same load in virtual time.

        Example::

            %loadtest predict --rate 50 --for 30s --pattern bursts --payload {"x": [1, 2, 3]}
        """
        a, rest = grammar.parse_before_payload(self.loadtest, line)
        load = pattern(a.pattern, a.rate, for_s=seconds_of(a.duration), seed=a.seed)
        event = grammar.payload(rest, {**self.shell.user_ns, **(local_ns or {})}, Path.cwd())
        return self.lab_of_kernel.loadtest(a.name, load, event)

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("--memory", metavar="MB,MB", help=f"sizes to compare (default: {','.join(map(str, MEMORY_MB))})")
    @argument("-n", type=int, default=10, help="warm calls to measure with each size (default: 10)")
    @argument("--strategy", default="cost", help=f"{', '.join(STRATEGIES)} (default: cost)")
    @argument("--payload", metavar="PAYLOAD", help="the event, as for invoke; it takes the rest of the line")
    @needs_local_scope
    @no_var_expand
    @line_magic
    def power(self, line: str, local_ns: dict[str, Any] | None = None) -> PowerTuning:
        """Compare what memory sizes would cost and take, as AWS Lambda Power Tuning does.

        Durations come from a model: Lambda gives CPU in proportion to memory, this machine does not.

        Example::

            %power predict --memory 128,512,1769 --strategy balanced
        """
        a, rest = grammar.parse_before_payload(self.power, line)
        event = grammar.payload(rest, {**self.shell.user_ns, **(local_ns or {})}, Path.cwd())
        sizes = grammar.numbers(a.memory, "--memory") if a.memory is not None else MEMORY_MB
        return self.lab_of_kernel.power(a.name, sizes, event, n=a.n, strategy=a.strategy)

    @magic_arguments()
    @line_magic
    def functions(self, line: str) -> Shown:
        """List what is deployed.

        Example::

            %functions
        """
        grammar.parse(self.functions, line)
        found = self.lab_of_kernel.functions()
        return Shown(found, text.functions(found), html.functions(found))

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("-n", type=int, default=0, metavar="LINES", help="only the last lines")
    @line_magic
    def logs(self, line: str) -> Shown:
        """Show a function's log, one stream per environment.

        Example::

            %logs predict -n 20
        """
        a = grammar.parse(self.logs, line)
        streams = [(name, log.splitlines()[-a.n :]) for name, log in self.lab_of_kernel.logs(a.name)]
        return Shown(streams, text.logs(streams), html.logs(streams))

    @magic_arguments()
    @argument("name", nargs="?", help="the API's name; with a line alone, nothing lists all")
    @argument("--kind", choices=KINDS, help="a REST API or an HTTP API of API Gateway (default: REST)")
    @argument("-o", dest="output", metavar="VARIABLE", help="bind the API to this variable")
    @line_cell_magic
    def api(self, line: str, cell: str | None = None) -> Api | Shown:
        """Put functions behind one HTTP address: an API of API Gateway, with a route in each line of the cell.

        A route is a method, a path and a function. Running the cell again deploys the API anew. In a line alone,
        `%api` lists the APIs and `%api shop` shows one.

        Example::

            %%api shop -o shop
            GET  /predict        predict
            POST /orders/{id}    predict
        """
        a = grammar.parse(self.api, line)
        found = self._listed(a) if cell is None else self._deployed_api(a, cell)
        if a.output:
            self.shell.user_ns[a.output] = found
        return found

    def _deployed_api(self, a: Namespace, cell: str) -> Api:
        if not a.name:
            raise BadMagicLine("%%api: expected a name.", hint="For example %%api shop")
        return self.lab_of_kernel.api(a.name, cells.routes(cell), kind=a.kind or KINDS[0])

    def _listed(self, a: Namespace) -> Api | Shown:
        """The API of this name, or all of this kind."""
        found = [api for api in self.lab_of_kernel.apis() if a.kind in (None, api.kind)]
        if not a.name:
            said = "\n\n".join(map(text.api, found)) or NO_API
            return Shown(found, said, "".join(map(html.api, found)) or f"<p>{NO_API}</p>")
        for api in found:
            if api.name == a.name:
                return api
        near = nearest(a.name, [api.name for api in found])
        hint = f"Did you mean {near}?" if near else "`%api` lists them; a cell that begins with %%api makes one."
        raise BadMagicLine(f"No API {a.name}.", hint=hint)

    @magic_arguments()
    @argument("name", help="the function's name")
    @argument("--suffix", default="", metavar="TEXT", help="of a bucket: only objects whose key ends like this")
    @argument("--batch", type=int, metavar="N", help="of a queue or stream: at most so many records a call")
    @argument("--window", type=int, metavar="SECONDS", help="of a queue or stream: how long a batch is waited for")
    @no_var_expand
    @line_magic
    def trigger(self, line: str) -> Trigger:
        """Have something call a function: a bucket, a queue, a topic, a table, a stream, a schedule, a pattern.

        After the options comes the source. What it needs and is not there is made; the calls of boto3 are shown.

        Example::

            %trigger resize --suffix .png s3://photos/raw/
            %trigger settle --batch 100 --window 5 sqs:orders
            %trigger report rate(5 minutes)
            %trigger notify {"source": ["shop"]}
        """
        a, source = grammar.parse_with_payload(self.trigger, line)
        return self.lab_of_kernel.trigger(a.name, source, suffix=a.suffix, batch_size=a.batch, window_s=a.window)

    @magic_arguments()
    @argument(
        "action", nargs="?", default="status", help="status (default), stop, restart, advance, watch or dashboard"
    )
    @argument("duration", nargs="*", help="how far to advance the clock, or how long to watch: 90s, 1h30m, seconds")
    @line_magic
    def lab(self, line: str) -> Any:
        """Show the lab's emulator, stop it, start it afresh, advance its clock, or watch its environments.

        Retries of asynchronous invocations come after one and two minutes: advancing runs them at once. Watching
        shows the environments' life while something else calls functions, for 10 s or as long as is said; an
        interrupt ends it. A dashboard goes on while no cell runs, and needs anywidget.

        Example::

            %lab advance 2m
            %lab watch 30s
        """
        a = grammar.parse(self.lab, line)
        if a.action not in LAB_ACTIONS:
            near = nearest(a.action, LAB_ACTIONS)
            hint = f"Did you mean %lab {near}?" if near else f"It knows: {', '.join(LAB_ACTIONS)}."
            raise BadMagicLine(f"%lab has no action {a.action}.", hint=hint)
        if a.action == "advance":
            return self._advanced(" ".join(a.duration))
        if a.action == "watch":
            return self.lab_of_kernel.watch(" ".join(a.duration) or 10)
        if a.duration:
            raise BadMagicLine(f"%lab {a.action} takes nothing more; found {' '.join(a.duration)}.")
        if a.action == "stop":
            self.lab_of_kernel.stop()
            return Shown(None, STOPPED, f"<p>{STOPPED}</p>")
        if a.action == "dashboard":
            return self.lab_of_kernel.dashboard()
        if a.action == "restart":
            self.lab_of_kernel.restart()
        status = self.lab_of_kernel.status()
        return Shown(status, text.lab(status), html.lab(status))

    def _advanced(self, duration: str) -> Shown:
        if not duration:
            raise BadMagicLine("%lab advance: expected a duration.", hint="For example %lab advance 2m")
        now = self.lab_of_kernel.advance(duration)
        said = f"The emulator's clock now shows {now:%Y-%m-%d %H:%M:%S} UTC."
        return Shown(now, said, f"<p>{said}</p>")


NO_API = "There is no API yet. Begin a cell with %%api NAME to make one."
STOPPED = "The lab has stopped; the next %%function starts a new one."


def _notice(message: str) -> None:
    display(Shown(None, message, f"<p><b>Notice:</b> {message}</p>"))
