"""Lab: what a notebook, a script or a test holds. Starts an emulator on first use, or attaches to one.

Deploys, invokes and measures by AWS's own API, so the same calls work on any endpoint. Remembers what it deployed:
if its emulator is killed, the next call starts a new one with the same functions and says so.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from labkit.billing import Cost
from labkit.client import measured
from labkit.client.address import Address
from labkit.client.alias import Alias, alias_of, check_alias, put_alias
from labkit.client.api import Api, deployed_api, deployed_apis
from labkit.client.coldstart import ColdStarts
from labkit.client.deployment import packaged, put
from labkit.client.durations import seconds_of
from labkit.client.endpoint import ApiError, Endpoint, NotReached, trace_of
from labkit.client.function import DeployedFunction
from labkit.client.loadtest import live
from labkit.client.payload import as_json, outcome_of
from labkit.client.power import CALLS, calibrated
from labkit.client.process import EmulatorProcess
from labkit.client.records import bill_of, trace_named
from labkit.client.triggers import Account, Wish, connect
from labkit.client.urls import function_address
from labkit.client.watch import watch
from labkit.distributions import Distribution
from labkit.errors import EmulatorLost, NoClock
from labkit.life import Picture
from labkit.load import ClosedLoop, Load
from labkit.loadtest import LiveLoad, LoadTest
from labkit.model import FunctionError, InvocationType, Outcome, Outcomes, Status, Trace, Traces, Trigger
from labkit.power import MEMORY_MB, PowerTuning, checked
from labkit.settings import Settings
from labkit.simulation import Simulation

if TYPE_CHECKING:
    from labkit.simulate import Limits

_T = TypeVar("_T")
THROTTLED = "TooManyRequestsException"


class LabWarning(UserWarning):
    """Something that the person at the keyboard should know: the emulator was lost and replaced."""


def _warn(message: str) -> None:
    warnings.warn(message, LabWarning, stacklevel=3)


class Interrupted(KeyboardInterrupt):
    """Work that a person interrupted. A call's environment is ended with it."""

    def _render_traceback_(self) -> list[str]:
        return [f"Interrupted: {self}"]


class Lab:
    """A lab on this machine, or attached to `endpoint`. With `iam`, functions may do what their roles allow.

    >>> with Lab() as lab:
    ...     lab.deploy("hello", "def handler(event, context): return 'hello ' + event['name']")
    ...     lab.invoke("hello", {"name": "Ada"}).payload
    'hello Ada'
    """

    def __init__(
        self,
        endpoint: str = "",
        *,
        iam: bool = False,
        settings: Settings | None = None,
        notice: Callable[[str], None] = _warn,
    ) -> None:
        known = settings or Settings.from_environment(os.environ)
        self._attached = endpoint or known.endpoint
        self._settings = known if self._attached else known.with_credentials()
        self._options = ("--iam",) if iam else ()
        self._notice = notice
        self._process: EmulatorProcess | None = None
        self._endpoint: Endpoint | None = None
        self._deployed: dict[str, dict[str, Any]] = {}  # name -> the parameters that create it
        self._starting = threading.RLock()
        atexit.register(self.stop)

    # --- the emulator

    @property
    def endpoint(self) -> str:
        """The address; starts the emulator if none runs."""
        return self._live().url

    @property
    def running(self) -> bool:
        return self._endpoint is not None

    @property
    def reached(self) -> Endpoint | None:
        return self._endpoint

    def _live(self) -> Endpoint:
        with self._starting:
            lost = self._process.ended() if self._process else None
            if lost:
                self._close()
            if self._endpoint is not None:
                return self._endpoint
            endpoint = self._start()
            if lost:
                again = self._redeploy(endpoint)
                self._notice(f"The lab's emulator {lost}. A new one runs at {endpoint.url}; {again}.")
            return endpoint

    def _start(self) -> Endpoint:
        if self._attached:
            url = self._attached
        else:
            self._process = EmulatorProcess(self._settings, options=self._options)
            url = self._process.endpoint
        self._endpoint = Endpoint(url, self._settings)
        return self._endpoint

    def _call(self, operation: str, **params: Any) -> dict[str, Any]:
        """One operation of the Lambda API."""
        return self._reached(lambda endpoint: endpoint.call(operation, **params))

    def _change(self, operation: str, **params: Any) -> None:
        self._reached(lambda endpoint: endpoint.change(operation, **params))

    def _page(self, path: str, *, method: str = "GET") -> Any:
        return self._reached(lambda endpoint: endpoint.page(path, method=method))

    def _reached(self, ask: Callable[[Endpoint], _T]) -> _T:
        """Asks; and asks a new emulator, if the old one was found dead before anything was sent."""
        try:
            return ask(self._live())
        except NotReached:
            if self._process is None or not self._process.wait_ended():
                raise
            return ask(self._live())

    def _redeploy(self, endpoint: Endpoint) -> str:
        """Creates what was deployed before; says what could not be, such as a function whose layer is gone."""
        lost = []
        for name, params in list(self._deployed.items()):
            try:
                endpoint.change("create_function", **params)
            except ApiError as error:
                del self._deployed[name]
                lost.append(f"{name} ({error.message})")
        said = f"deployed again: {', '.join(self._deployed) or 'none'}"
        return f"{said}; not: {', '.join(lost)}" if lost else said

    def _close(self) -> None:
        endpoint, self._endpoint = self._endpoint, None
        process, self._process = self._process, None
        if endpoint:
            endpoint.close()
        if process:
            process.stop()

    def stop(self) -> None:
        """Ends the emulator and all its environments. Deployed functions are forgotten."""
        with self._starting:
            self._close()
            self._deployed.clear()

    def restart(self) -> None:
        """A fresh emulator with the same functions."""
        with self._starting:
            before = len(self._deployed)
            self._close()
            again = self._redeploy(self._start())
            if len(self._deployed) < before:
                self._notice(f"The lab was restarted; {again}.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
        atexit.unregister(self.stop)

    def __repr__(self) -> str:
        return f"<Lab at {self._endpoint.url}>" if self._endpoint else "<Lab, not started>"

    # --- functions

    def deploy(
        self,
        name: str,
        source: str,
        *,
        handler: str | None = None,
        memory_mb: int = 128,
        timeout_s: int = 3,
        variables: Mapping[str, str] | None = None,
        include: Sequence[str | Path] = (),
        layers: Sequence[str] = (),
        description: str = "",
        folder: Path | None = None,
    ) -> DeployedFunction:
        """Makes a package of the source and the included files and deploys it; unchanged, it does nothing.

        `include` is relative to `folder` (default: the working directory). Raises SourceError, DeployFailed.
        """
        made = packaged(name, source, handler=handler, include=include, folder=folder or Path.cwd())
        params: dict[str, Any] = {
            "FunctionName": name,
            "Runtime": f"python{sys.version_info.major}.{sys.version_info.minor}",
            "Role": f"arn:aws:iam::{self._settings.account_id}:role/labkit",
            "Handler": made.handler,
            "MemorySize": memory_mb,
            "Timeout": timeout_s,
            "Description": description,
            "Environment": {"Variables": dict(variables or {})},
            "Layers": list(layers),
            "Code": {"ZipFile": made.content},
        }
        configuration, change = put(self._call, self._change, params)
        self._deployed[name] = params
        missing = () if layers else made.missing  # a layer may bring them
        return self._handle(configuration, change=change, requirements=made.requirements, missing=missing)

    def _handle(self, configuration: Mapping[str, Any], **known: Any) -> DeployedFunction:
        name = configuration["FunctionName"]
        return DeployedFunction(
            name=name,
            arn=configuration["FunctionArn"],
            handler=configuration["Handler"],
            runtime=configuration["Runtime"],
            memory_mb=configuration["MemorySize"],
            timeout_s=configuration["Timeout"],
            version=configuration["Version"],
            code_sha256=configuration["CodeSha256"],
            size_bytes=configuration["CodeSize"],
            variables=tuple((configuration.get("Environment", {}).get("Variables") or {}).items()),
            lab=self,
            **known,
        )

    def functions(self) -> list[DeployedFunction]:
        """Everything deployed on the endpoint, by name."""
        pages = self.boto3("lambda").get_paginator("list_functions").paginate()
        return [self._handle(f) for page in pages for f in page["Functions"]]

    def function(self, name: str) -> DeployedFunction:
        """Raises UnknownFunction, with the nearest name."""
        try:
            return self._handle(self._call("get_function_configuration", FunctionName=name))
        except ApiError as error:
            raise error.about(name, self.names()) from None

    def names(self) -> list[str]:
        return [f.name for f in self.functions()]

    def delete(self, name: str) -> None:
        """Deletes a function with its versions and aliases. Raises UnknownFunction."""
        self._deployed.pop(name, None)
        try:
            self._call("delete_function", FunctionName=name)
        except ApiError as error:
            raise error.about(name, self.names()) from None

    def function_url(self, name: str, *, auth: str = "NONE", invoke_mode: str = "BUFFERED") -> str:
        """The function's HTTP address, made if it has none; the handler gets an HTTP request as its event.

        With auth "NONE" everybody on this machine may call it (and gets the permissions for that); with "AWS_IAM"
        who signs. A handler that yields is heard piece by piece with the mode "RESPONSE_STREAM".

        >>> address = lab.function_url("hello")
        >>> requests.post(address, json={"name": "Ada"}).text
        """
        try:
            made = function_address(self._call, name, auth, invoke_mode)
        except ApiError as error:
            raise error.about(name, self.names()) from None
        return Address.of(made, self._settings.proxy_prefix)

    def api(self, name: str, routes: Mapping[str, str], *, kind: str = "REST") -> Api:
        """An API whose routes run these functions, deployed anew at each call; `kind` is REST or HTTP; see Api."""
        return deployed_api(self, name, routes, kind, proxy_prefix=self._settings.proxy_prefix)

    def trigger(
        self, name: str, source: str, *, suffix: str = "", batch_size: int | None = None, window_s: int | None = None
    ) -> Trigger:
        """Has something call a function from now on; what the source needs and is not there is made.

        `source`: s3://BUCKET/PREFIX (objects that are created there, with `suffix`), sqs:QUEUE, sns:TOPIC,
        dynamodb:TABLE, kinesis:STREAM, rate(5 minutes), cron(0 8 * * ? *), or a pattern of events as JSON.
        `batch_size` records at most, waited for at most `window_s` seconds, of queues and streams.
        Raises BadTrigger, DeployFailed with AWS's words.

        >>> lab.trigger("resize", "s3://photos/raw/", suffix=".png")
        <Trigger s3://photos/raw/ calls resize>
        """
        function = self.function(name)
        wish = Wish(name, function.arn, function.timeout_s, source, suffix, batch_size, window_s)
        return connect(Account(self.boto3), wish)

    def apis(self) -> list[Api]:
        """The APIs of this account, by name, with their routes to functions."""
        return deployed_apis(self, self._settings.proxy_prefix)

    # --- versions and aliases

    def publish(self, name: str, description: str = "") -> str:
        """Freezes the function as it is now under a number, and returns that; unchanged, it is the newest one's.

        >>> lab.alias("predict", "live", lab.publish("predict"))
        <Alias predict:live is version 1>
        """
        try:
            made = self._call("publish_version", FunctionName=name, Description=description)
        except ApiError as error:
            raise error.about(name, self.names()) from None
        version = str(made["Version"])
        self.boto3("lambda").get_waiter("published_version_active").wait(FunctionName=name, Qualifier=version)
        return version

    def versions(self, name: str) -> list[str]:
        """$LATEST and the published versions, in order. Raises UnknownFunction."""
        self.function(name)
        pages = self.boto3("lambda").get_paginator("list_versions_by_function").paginate(FunctionName=name)
        return [each["Version"] for page in pages for each in page["Versions"]]

    def alias(
        self,
        name: str,
        alias: str,
        version: str,
        *,
        weights: Mapping[str, float] | None = None,
        description: str | None = None,
    ) -> Alias:
        """Makes a name for a version, or moves it there; `weights` sends a share of the calls to one other version.

        Raises UnknownFunction, BadAlias.

        >>> lab.alias("predict", "live", "1", weights={"2": 0.1})
        <Alias predict:live is 90% to version 1, 10% to version 2>
        >>> lab.invoke("predict", {"x": 1}, qualifier="live")
        """
        return put_alias(self, name, alias, version, weights or {}, description)

    def aliases(self, name: str) -> list[Alias]:
        """A function's aliases, by name. Raises UnknownFunction."""
        self.function(name)
        pages = self.boto3("lambda").get_paginator("list_aliases").paginate(FunctionName=name)
        return [alias_of(name, each) for page in pages for each in page["Aliases"]]

    def delete_alias(self, name: str, alias: str) -> None:
        """Raises UnknownFunction, and BadAlias if there is no such alias."""
        check_alias(name, alias, [each.name for each in self.aliases(name)])
        self._call("delete_alias", FunctionName=name, Name=alias)

    # --- invocations

    def invoke(
        self,
        name: str,
        event: object = None,
        *,
        qualifier: str | None = None,
        kind: str = InvocationType.REQUEST_RESPONSE,
        client_context: str | None = None,
    ) -> Outcome:
        """Runs a function once and waits. A failing handler is an Outcome; raises UnknownFunction, EmulatorLost.

        `event` is anything JSON can say, with numpy arrays and scalars converted; None is `{}`.
        """
        params: dict[str, Any] = {"FunctionName": name, "InvocationType": str(kind), "Payload": as_json(event)}
        if qualifier:
            params["Qualifier"] = qualifier
        if client_context:
            params["ClientContext"] = client_context
        if kind == InvocationType.REQUEST_RESPONSE:
            params["LogType"] = "Tail"
        try:
            answer = self._call("invoke", **params)
            trace = trace_of(self._page(f"traces/{answer['ResponseMetadata']['RequestId']}"))
            return outcome_of(name, answer, trace)
        except ApiError as error:
            if error.code == THROTTLED:
                said = FunctionError(THROTTLED, f"Rate Exceeded. Reason: {error.reason}")
                return Outcome(name, Status.THROTTLED, error=said)
            raise error.about(name, self.names()) from None
        except NotReached:
            raise
        except EmulatorLost:
            raise self._lost(name) from None
        except KeyboardInterrupt:
            self._page(f"functions/{name}/abort", method="POST")
            raise Interrupted(f"{name} was stopped, and the environment it ran in is gone.") from None

    def _lost(self, name: str) -> EmulatorLost:
        died = self._process.ended() if self._process and self._process.wait_ended() else None
        return EmulatorLost(f"The emulator {died or 'did not answer any more'} while {name} ran.")

    def coldstart(
        self,
        name: str,
        n: int = 5,
        event: object = None,
        *,
        memory_mb: Sequence[int] = (),
        on_progress: Callable[[int, int], None] | None = None,
    ) -> Outcomes:
        """Measures `n` calls that meet a fresh environment, each followed by four that meet a used one.

        With `memory_mb`, repeats it for each size and restores the function's own. Stops at the first failure:
        a handler that fails has no cold start to speak of; the failed Outcome is then the last one.
        """
        size = self.function(name).memory_mb
        renew = partial(self._page, f"functions/{name}/recycle", method="POST")
        starts = ColdStarts(name, n, lambda: self.invoke(name, event), renew, partial(self._resize, name), on_progress)
        return starts.measured(tuple(memory_mb) or (size,), restore=size)

    def _resize(self, name: str, memory_mb: int) -> None:
        if self._call("get_function_configuration", FunctionName=name)["MemorySize"] != memory_mb:
            self._change("update_function_configuration", FunctionName=name, MemorySize=memory_mb)

    def simulate(
        self,
        name: str,
        load: Load | ClosedLoop,
        *,
        service: Distribution | float | None = None,
        init: Distribution | float | None = None,
        first: Distribution | float | None = None,
        limits: Limits | None = None,
        waits: bool = False,
        seed: int = 0,
    ) -> Simulation:
        """Runs a load against the function in virtual time: the emulator's scheduler, and nobody waits.

        Times that are not given are drawn again from those that this lab has measured under this name at this memory,
        whatever the code was then: call it, or measure its cold starts, first. `limits` are AWS's by default, not this
        lab's. Raises NotMeasured, BadLoad, UnknownFunction.

        >>> lab.coldstart("predict", 10)
        >>> lab.simulate("predict", poisson(200, for_s=3600), limits=Limits(reserved=20))
        <Simulation predict: 719,582 requests in 3600 s, 673,553 served (20 cold), 46,029 throttled, 0 failed>
        """
        from labkit.simulate import simulate  # with the scheduler and msgspec: not before somebody simulates

        memory_mb = self.function(name).memory_mb
        traces = [trace for trace in self.traces(name) if trace.memory_mb == memory_mb]
        return simulate(
            load,
            service=measured.service(name, traces, service),
            init=measured.init(name, traces, init),
            first=measured.first(traces, first if first is not None else service),
            limits=limits,
            waits=waits,
            memory_mb=memory_mb,
            label=name,
            seed=seed,
        )

    def loadtest(
        self,
        name: str,
        load: Load,
        event: object = None,
        *,
        qualifier: str = "",
        on_progress: Callable[[LiveLoad], None] | None = None,
    ) -> LoadTest:
        """Sends a load for real, each request at its time whether or not earlier ones were answered.

        Times count from when a request should have been sent. An interrupt ends the load and gives what was measured.
        Raises BadLoad, UnknownFunction, SenderLost.

        >>> lab.loadtest("predict", poisson(50, for_s=30))
        <LoadTest predict: 1,507 requests in 30 s, 1,507 served (3 cold), 0 throttled, 0 failed>
        """
        return live(self, self._page, name, load, as_json(event), qualifier=qualifier, show=on_progress)

    def power(
        self,
        name: str,
        memory_mb: Sequence[int] = MEMORY_MB,
        event: object = None,
        *,
        n: int = CALLS,
        strategy: str = "cost",
        balanced_weight: float = 0.5,
        on_progress: Callable[[int, int], None] | None = None,
    ) -> PowerTuning:
        """What each memory size would cost and take, as AWS Lambda Power Tuning reports it, by a model of CPU shares.

        `n` warm calls per size are measured here; the function's own size is restored. Raises BadLoad, NoCpuTimes.

        >>> lab.power("predict", (128, 512, 1769)).best
        """
        sizes = checked(memory_mb, n, strategy, balanced_weight)
        tuned = calibrated(self, self._page, name, sizes, event, n=n, resize=self._resize, on_progress=on_progress)
        return PowerTuning(name, tuned, self.function(name).timeout_s, strategy, balanced_weight)

    # --- what is seen

    def logs(self, name: str) -> list[tuple[str, str]]:
        """Log streams of a function, oldest first: (name, text). Raises UnknownFunction."""
        self.function(name)
        return [(stream["name"], stream["text"]) for stream in self._page(f"logs/{name}") or ()]

    def traces(self, name: str = "") -> Traces:
        """The traces the emulator still holds, oldest first; of one function, or of all."""
        found = self._page(f"traces?function={name}") or ()
        return Traces(trace for trace in map(trace_of, found) if trace)

    def trace(self, which: str = "") -> Trace:
        """One request's trace, by its request id; of a function the last one; without either the last of all.

        Raises NotInvoked, UnknownFunction.

        >>> lab.trace("predict").cold
        """
        return trace_named(self, self._page, which)

    def cost(self, *names: str, requests: float | None = None, architecture: str = "x86_64") -> Cost:
        """The bill of the calls whose traces the emulator still holds: of these functions, or of all.

        With `requests`, what so many to each of them would cost, if they took as long and met as many cold starts.
        `architecture` is x86_64 or arm64. Raises NotInvoked, UnknownFunction.

        >>> lab.cost("predict", requests=1e6).usd
        """
        return bill_of(self, names, requests, architecture)

    def status(self) -> dict[str, Any]:
        """The emulator's process, environments, memory and limits."""
        status: dict[str, Any] = self._page("status")
        return status

    def watch(self, for_s: str | float = 10, *, on_look: Callable[[Picture], None] | None = None) -> Picture:
        """Watches all environments while something else runs them, until the time is up or an interrupt ends it.

        >>> lab.watch("10s").functions
        """
        return watch(self, seconds_of(for_s), on_look)

    def advance(self, duration: str | float) -> datetime:
        """Moves the emulator's clock forward and returns its new time; what falls due meanwhile has then been run.

        Retries of asynchronous invocations come after one and two minutes: nobody has to wait for them.
        Raises BadDuration, NoClock.

        >>> lab.invoke("unlucky", kind="Event")
        >>> lab.advance("1m")  # the second attempt has been made
        datetime.datetime(2026, 11, 21, 6, 1, 0, 250000, tzinfo=datetime.timezone.utc)
        """
        answer = self._page(f"advance?seconds={seconds_of(duration)!r}", method="POST")
        if answer is None:
            raise NoClock(self.endpoint)
        return datetime.fromtimestamp(answer["now"], UTC)

    def reset(self) -> None:
        """Clears the whole account: functions, and everything in the other services. The emulator goes on.

        Over HTTP it is moto's own `POST /moto-api/reset`, signed for Lambda (unsigned with `labkit serve --unsigned`).
        """
        if self._page("/moto-api/reset", method="POST") is None:
            raise EmulatorLost(f"{self.endpoint} could not be cleared.")
        self._deployed.clear()

    def messages(self) -> list[str]:
        """The newest lines of the emulator's own: an event that could not be delivered, a loop that was stopped."""
        return self._process.last_words().splitlines() if self._process else []

    @property
    def connection(self) -> dict[str, str]:
        """What a client of boto3's own needs: `boto3.client("lambda", **lab.connection)`."""
        return self._live().connection

    def boto3(self, service: str) -> Any:
        """A boto3 client for this lab: for Lambda, and for every service of moto's, which starts on first use.

        >>> lab.boto3("s3").create_bucket(Bucket="photos")
        """
        return self._live().boto3(service)
