"""Brings what invocations leave to the account's CloudWatch and X-Ray, which moto has, when somebody looks there.

Nothing of it happens on the way of a call. A request that is signed for one of these services first waits here:
what is new in the recorder since the last time is written into moto, and then the request goes on, so that it finds
all that was answered before it was sent. A lab that never looks never starts moto. From the first subscription on (or
a stack, which may hold one) new lines are also brought once a second: a subscription must fire by itself.

Lines become events of their log group and stream, which are made as Lambda makes them, again if a user deleted them;
a line in the embedded metric format becomes metrics, too; traces become the metrics of AWS/Lambda; an invocation that
is traced becomes X-Ray's segments, beside those that handlers sent. What the recorder's bounds dropped before it was
brought is said on the emulator's own log. If moto died, all that the recorder still has is brought again.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any

from labkit.emulator import emf, metrics
from labkit.emulator.daemon import Daemon
from labkit.emulator.logevents import LogEvent, News, batches, in_order, news
from labkit.emulator.logstream import Entry, LogStream
from labkit.emulator.metrics import Book, Datum, Span
from labkit.emulator.recorder import TRACES, Recorder
from labkit.emulator.segments import Sampler, segments
from labkit.emulator.services import ServiceRefused, Services
from labkit.errors import ServicesNotStarted
from labkit.model import Trace

LOOKING = frozenset({"logs", "monitoring", "xray"})
SUBSCRIBING = "PutSubscriptionFilter"
WAITING_RUNS = TRACES // 2  # before they are counted although nobody asks, lest the recorder forget them
RUNS_AT_ONCE = 250
OVERLAPPING = 1_000  # counted traces that are looked at for who ran at the same time
ENTRIES_AT_ONCE = 200  # before invocations have their turn of the loop
METRICS_AT_ONCE = 500  # of PutMetricData's 1,000
SEGMENTS_AT_ONCE = 50  # PutTraceSegments' most
LOGS, CLOUDWATCH = "Logs_20140328", "GraniteServiceVersion20100801"


class Telemetry:
    """See the module's docstring."""

    def __init__(
        self,
        recorder: Recorder,
        services: Services,
        *,
        account_id: str,
        region: str,
        book: Book,
        sampler: Sampler,
        daemon: Daemon,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._recorder = recorder
        self._services = services
        self._account_id = account_id
        self._region = region
        self._book = book
        self._sampler = sampler
        self._daemon = daemon
        self._now = now
        self._subscribed = False
        self._start = 0  # which of moto's starts has what was sent
        self._counted = 0  # so many of the recorder's runs are in the book
        self._recent: list[Span] = []  # the newest of them
        self._counting: asyncio.Task[None] | None = None
        self._metrics: defaultdict[str, list[Datum]] = defaultdict(list)
        self._segments: list[str] = []
        self._documents: list[str] = []  # likewise, of handlers
        self._running: asyncio.Task[None] | None = None
        self._next: asyncio.Task[None] | None = None

    async def before(self, service: str, target: str) -> None:
        """A request for this service is about to be passed on."""
        if service == "cloudformation" or target.endswith(SUBSCRIBING):
            self._subscribed = True
        if service in LOOKING:
            await self.up_to_date()

    async def up_to_date(self) -> None:
        """Returns when moto has all that was there when this was called. Raises ServicesNotStarted."""
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
        await asyncio.shield(self._next)  # who does not want to wait any more stops nobody else's

    async def _after(self, running: asyncio.Task[None] | None) -> None:
        if running:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        await self._bring()

    def tick(self) -> None:
        """Once a second."""
        if self._recorder.runs - self._counted >= WAITING_RUNS and (self._counting is None or self._counting.done()):
            self._counting = asyncio.create_task(self._count_by_and_by())
        if self._subscribed and self._services.pid and self._next is None:
            task = asyncio.create_task(self.up_to_date())
            task.add_done_callback(_say_why)

    async def _count_by_and_by(self) -> None:
        """A few at a time: invocations go on meanwhile."""
        while self._count_some():
            await asyncio.sleep(0)

    def _count_some(self) -> bool:
        """Whether there were any."""
        fallen = self._recorder.first_run - self._counted
        if fallen > 0:
            _say(f"{fallen} invocations ended faster than they were counted: CloudWatch's metrics do not have them")
            self._counted += fallen
        new = list(islice(self._recorder.runs_since(self._counted), RUNS_AT_ONCE))
        if new:
            self._counted += len(new)
            self._book.count(new, self._running_before(new))
        return bool(new)

    def stop(self) -> None:
        self._daemon.stop()
        for task in (self._running, self._next, self._counting):
            if task:
                task.cancel()

    # --- one round

    async def _bring(self) -> None:
        await self._services.reached()
        if self._start != self._services.starts:
            if self._start:
                self._send_again()
            self._start = self._services.starts
        streams = self._recorder.all_streams()
        for stream in streams:
            await self._bring_stream(stream)
        self._recorder.let_go(streams)
        self._say_lost()
        while self._count_some():
            pass
        self._metrics[metrics.NAMESPACE] += self._book.take()
        await self._bring_metrics()
        self._documents += self._daemon.take()
        await self._bring_documents(self._segments)
        await self._bring_documents(self._documents)

    def _send_again(self) -> None:
        for stream in self._recorder.all_streams():
            stream.send_again()
        self._counted, self._recent = self._recorder.first_run, []
        self._book.uncount()
        self._metrics.clear()
        self._segments.clear()

    async def _bring_stream(self, stream: LogStream) -> None:
        with stream.held():
            unsent = stream.unsent()
            while entries := list(islice(unsent, ENTRIES_AT_ONCE)):
                await self._bring_entries(stream, entries)

    async def _bring_entries(self, stream: LogStream, entries: Sequence[Entry]) -> None:
        found = [(entry, news(entry, self._now(), is_open=entry is stream.open_entry)) for entry in entries]
        events = in_order((event for _, new in found for event in new.events), stream.sent_until_ms)
        for batch in batches(events):
            await self._put_events(stream, batch)
        if events:
            stream.sent_until_ms = events[-1].at_ms
        for event in events:
            for metric in emf.metrics(event.message):
                self._metrics[metric.namespace].append(metric.datum)
        for entry, new in found:
            self._mark(stream, entry, new)

    def _mark(self, stream: LogStream, entry: Entry, new: News) -> None:
        if new.ended and not entry.ended:
            self._segments += segments(entry, self._account_id, self._sampler.parent_of(entry.request_id))
        if new.lost_bytes:
            _say(f"{new.lost_bytes} bytes of {entry.request_id or 'an init'} of {entry.origin.function_name} {LOST}")
        stream.mark(entry, sent=new.sent, ended=new.ended, done=new.done)

    async def _put_events(self, stream: LogStream, batch: Sequence[LogEvent]) -> None:
        names = {"logGroupName": stream.origin.group, "logStreamName": stream.name}
        events = [{"timestamp": event.at_ms, "message": event.message} for event in batch]
        call = {**names, "logEvents": events}
        try:
            try:
                await self._logs("PutLogEvents", call)
            except ServiceRefused as error:
                if "ResourceNotFoundException" not in error.said:
                    raise
                await self._make_stream(names)
                await self._logs("PutLogEvents", call)
        except ServiceRefused as error:
            _say(f"{len(events)} lines of {stream.name} are not in CloudWatch Logs: {error}")

    async def _make_stream(self, names: dict[str, str]) -> None:
        group = {"logGroupName": names["logGroupName"]}
        for operation, given in (("CreateLogGroup", group), ("CreateLogStream", names)):
            try:
                await self._logs(operation, given)
            except ServiceRefused as error:
                if "ResourceAlreadyExistsException" not in error.said:
                    raise

    async def _logs(self, operation: str, call: object) -> Any:
        return await self._services.post("logs", self._region, call, target=f"{LOGS}.{operation}")

    def _say_lost(self) -> None:
        lost, self._recorder.lost = self._recorder.lost, type(self._recorder.lost)()
        for stream in self._recorder.all_streams():
            lost[stream.origin.function_name] += stream.lost
            stream.lost = 0
        if self._daemon.lost:
            _say(f"{self._daemon.lost} segments of handlers were too many to keep: X-Ray does not have them")
            self._daemon.lost = 0
        for name, number in lost.items():
            if number:
                _say(f"{number} parts of logs of {name} (an invocation each, or an init) {LOST}")

    def _running_before(self, new: Sequence[Trace]) -> Iterable[Span]:
        earliest = min(trace.arrived_at for trace in new)
        found = self._recent
        spans = [Span(trace.function_name, trace.arrived_at, trace.total_s) for trace in new]
        self._recent = [*found, *spans][-OVERLAPPING:]
        return [span for span in found if span.arrived_at + span.total_s > earliest]

    async def _bring_metrics(self) -> None:
        while self._metrics:
            namespace, data = next(iter(self._metrics.items()))
            for at in range(0, len(data), METRICS_AT_ONCE):
                call = {"Namespace": namespace, "MetricData": data[at : at + METRICS_AT_ONCE]}
                await self._try("monitoring", call, target=f"{CLOUDWATCH}.PutMetricData")
            del self._metrics[namespace]

    async def _bring_documents(self, documents: list[str]) -> None:
        while documents:
            part = documents[:SEGMENTS_AT_ONCE]
            answer = await self._try("xray", {"TraceSegmentDocuments": part}, path="/TraceSegments")
            for refused in answer.get("UnprocessedTraceSegments", ()):
                _say(f"X-Ray does not take a segment: {refused}")
            del documents[: len(part)]

    async def _try(self, service: str, call: object, **how: str) -> Any:
        try:
            return await self._services.post(service, self._region, call, **how)
        except ServiceRefused as error:
            _say(f"the mocked account does not take what was measured: {error}")
            return {}


LOST = "left the emulator's memory before anybody asked for them: CloudWatch Logs does not have them"


def _say_why(task: asyncio.Task[None]) -> None:
    """Nobody waits for what a tick began."""
    if not task.cancelled() and (error := task.exception()):
        _say(str(error) if isinstance(error, ServicesNotStarted) else repr(error))


def _say(message: str) -> None:
    print(f"labkit: {message}", file=sys.stderr, flush=True)  # noqa: T201
