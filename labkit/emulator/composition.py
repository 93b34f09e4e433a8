"""What one emulator consists of: the only place that knows all parts, and the order in which they end."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from labkit.emulator.account import Account
from labkit.emulator.apigateway.door import ApiDoor
from labkit.emulator.changes import Changes
from labkit.emulator.clients import Clients
from labkit.emulator.clock import Clock
from labkit.emulator.daemon import Daemon
from labkit.emulator.destinations import burial, delivery
from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.doors import Doors
from labkit.emulator.environments import Workshop
from labkit.emulator.forwarding import Forwarding
from labkit.emulator.http import FrontDoor
from labkit.emulator.invoker import Invoker
from labkit.emulator.listening import Door
from labkit.emulator.machines import Machines
from labkit.emulator.metrics import Book
from labkit.emulator.operations import concurrency, provisioned
from labkit.emulator.operations.code import object_reader
from labkit.emulator.packages import PackageStore
from labkit.emulator.pages import Pages
from labkit.emulator.queue import EventQueue, Ways
from labkit.emulator.recorder import Recorder
from labkit.emulator.registry import Registry, parse_reference
from labkit.emulator.restore import restore
from labkit.emulator.segments import Sampler
from labkit.emulator.services import Services
from labkit.emulator.signing import Credentials, Presigner, Verifier
from labkit.emulator.store import Contents, Store
from labkit.emulator.telemetry import Telemetry
from labkit.emulator.template import Templates
from labkit.emulator.timed.watch import Timer, Watch
from labkit.emulator.triggers.pollers import Parts, Pollers
from labkit.emulator.vpc import Vpc
from labkit.emulator.wire import Wire
from labkit.model import InvocationType
from labkit.scheduler import Scheduler
from labkit.settings import Settings, new_key_id

if TYPE_CHECKING:
    from labkit.emulator.admission import Admission
    from labkit.emulator.apigateway.desk import Desk
    from labkit.emulator.enforcement import Enforcement


@dataclass(frozen=True, slots=True)
class Composition:
    """A running emulator without its socket: `app` answers requests."""

    app: Door
    dispatcher: Dispatcher
    services: Services
    telemetry: Telemetry
    templates: Templates
    queue: EventQueue
    watch: Watch
    machines: Machines
    pollers: Pollers
    store: Store | None
    vpc: Vpc

    def pids(self) -> Iterable[int]:
        """Processes that are somebody's here."""
        moto = [self.services.pid] if self.services.pid else []
        return [
            *moto,
            *self.templates.pids(),
            *(pid for environment in self.dispatcher.environments.values() for pid in environment.pids),
        ]

    async def stop(self) -> None:
        """Nothing that it started is left when this returns."""
        self.queue.stop()
        self.watch.stop()
        self.machines.stop()
        self.pollers.stop()
        self.telemetry.stop()
        await self.services.stop()
        await self.dispatcher.stop()
        await self.vpc.stop()
        if self.store:
            self.store.close()


def composed(
    settings: Settings, endpoint: str, scratch: Path, store: Store | None, *, signed: bool, iam: bool = False
) -> Composition:
    """Everything, with what the store holds; without one, in the scratch folder and in memory."""
    user = Credentials(settings.access_key_id, settings.secret_access_key)
    role = Credentials(new_key_id("ASIA"), token_urlsafe(30), token_urlsafe(90))
    verifier = Verifier([user, role], region=settings.region) if signed else None
    registry = Registry(account_id=settings.account_id, region=settings.region)
    packages = PackageStore((store.folder if store else scratch) / "packages")
    contents = restore(store, registry, packages) if store else Contents()
    recorder, clock, wire = Recorder(), Clock(ahead_s=contents.ahead_s), Wire()
    book, sampler, daemon = Book(), Sampler(), Daemon()
    services = Services(scratch, account_id=settings.account_id, variables=_way_back(endpoint, user, settings.region))
    clients = Clients(endpoint, user, region=settings.region)
    enforcement = _enforcement(services, clients, verifier, user) if iam and verifier else None
    credentials = enforcement.credentials if enforcement else lambda version: role
    vpc = Vpc(
        scratch, services.ask, lambda version: dispatcher.recycle(version), endpoint=endpoint, region=settings.region
    )
    workshop = Workshop(settings, credentials, recorder, daemon, packages, vpc, scratch / "environments")
    templates = Templates(workshop.template)
    dispatcher = Dispatcher(
        Scheduler(account_limit=settings.account_concurrency, idle_timeout_s=settings.idle_timeout_s),
        workshop.environments(templates.of),
        templates,
        throttled=lambda it: book.note("Throttles", it.function_arn, it.version.version, it.arrived_at),
    )
    admission = enforcement.admission(dispatcher) if enforcement else dispatcher
    invoker, queue = _invoking(registry, admission, clock, clients, store, sampler, book)
    pollers = _polling(registry, invoker, clock, clients, store)
    account = Account(
        registry,
        packages,
        dispatcher,
        Changes(dispatcher.retire),
        recorder,
        endpoint,
        object_reader(clients.call),
        lambda reference, payload: invoker.invoke(reference, payload, kind=InvocationType.EVENT),
        pollers,
        Presigner(user, settings.region) if signed else None,
        store,
        vpc,
        enforcement.role_checks if enforcement else None,
    )
    machines = Machines(clock, services.tell)
    pages = Pages(account, wire, clock, verifier, machines=machines).application()
    doors = Doors(invoker, registry, wire, pages, verifier)
    telemetry = Telemetry(
        recorder,
        services,
        account_id=settings.account_id,
        region=settings.region,
        book=book,
        sampler=sampler,
        daemon=daemon,
    )
    watch = Watch(lambda: _timer(registry, invoker, clock, clients, services))
    apis = ApiDoor(lambda: _desk(invoker, registry, clients, clock, services, user, role, signed=signed))
    others = Forwarding(
        services,
        verifier,
        before=telemetry.before,
        passed=(watch.passed, machines.passed, pollers.passed),
        watchers={"apigateway": apis.changed},
    )
    front = FrontDoor(invoker, wire, doors, verifier, others=others, apis=apis)
    app: Door = enforcement.gate(front, wire, registry, clock.now) if enforcement else front
    concurrency.apply(account)
    provisioned.resume(account)
    for event in contents.events:
        queue.resume(event)
    pollers.resume()
    return Composition(app, dispatcher, services, telemetry, templates, queue, watch, machines, pollers, store, vpc)


def _enforcement(services: Services, clients: Clients, verifier: Verifier, owner: Credentials) -> Enforcement:
    from labkit.emulator.enforcement import Enforcement  # a cold path: most labs let everybody do everything

    return Enforcement(services, clients, verifier, owner)


def _desk(
    invoker: Invoker,
    registry: Registry,
    clients: Clients,
    clock: Clock,
    services: Services,
    *signers: Credentials,
    signed: bool,
) -> Desk:
    """API Gateway, for the first request to an API."""
    from labkit.emulator.apigateway.desk import Desk  # a cold path: most labs have no API

    verifier = Verifier(signers, region=registry.region, service="execute-api") if signed else None
    return Desk(invoker, registry, clients, clock, verifier, lambda: services.pid)


def _invoking(
    registry: Registry,
    dispatcher: Dispatcher | Admission,
    clock: Clock,
    clients: Clients,
    store: Store | None,
    sampler: Sampler,
    book: Book,
) -> tuple[Invoker, EventQueue]:
    """The invoker and its queue, which needs the invoker in turn: a destination may be a function."""
    ways = Ways(
        submit=dispatcher.submit,
        version_of=lambda arn: registry.serving(parse_reference(arn)),
        config_of=lambda arn: registry.event_policy(parse_reference(arn)),
        reserved_of=lambda version: registry.functions[version.config.name].reserved,
        deliver=_delivery(registry, lambda: invoker, clients),
        bury=burial(clients.call),
        note=lambda metric, it, value: book.note(metric, it.function_arn, it.version.version, clock.now(), value),
    )
    queue = EventQueue(clock, ways, journal=store)
    invoker = Invoker(registry, dispatcher, queue, clock, sampler)
    return invoker, queue


def _way_back(endpoint: str, user: Credentials, region: str) -> dict[str, str]:
    """By which moto's process finds the emulator: the services there call functions, and one another, here."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": user.access_key_id,
        "AWS_SECRET_ACCESS_KEY": user.secret_access_key,
    }


def _timer(registry: Registry, invoker: Invoker, clock: Clock, clients: Clients, services: Services) -> Timer:
    from labkit.emulator.timed import delivery as in_time  # a cold path: most labs schedule nothing
    from labkit.emulator.timed import timer

    carrier = in_time.Delivery(clock, registry, invoker.invoke, clients.call)
    return timer.Timer(clock, clients.call, carrier, account_id=registry.account_id, moto=lambda: services.pid)


def _polling(registry: Registry, invoker: Invoker, clock: Clock, clients: Clients, store: Store | None) -> Pollers:
    def keep(mapping_id: str) -> None:
        if store:
            store.keep("mappings", mapping_id, registry.mappings.get(mapping_id))

    deliver = _delivery(registry, lambda: invoker, clients)
    return Pollers(Parts(registry, clock, invoker.invoke, clients.call, deliver, keep))


def _delivery(
    registry: Registry, invoker: Callable[[], Invoker], clients: Clients
) -> Callable[[str, bytes], Awaitable[bool]]:
    """The way of records to their destinations; the invoker need not be there yet."""
    return delivery(
        registry, lambda function, body: invoker().invoke(function, body, kind=InvocationType.EVENT), clients.call
    )
