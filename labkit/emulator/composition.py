"""What one emulator consists of: the only place that knows all parts, and the order in which they end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from labkit.emulator.account import Account
from labkit.emulator.apigateway.door import ApiDoor
from labkit.emulator.changes import Changes
from labkit.emulator.clients import Clients
from labkit.emulator.clock import Clock
from labkit.emulator.destinations import burial, delivery
from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.doors import Doors
from labkit.emulator.environments import Workshop
from labkit.emulator.forwarding import Forwarding
from labkit.emulator.http import FrontDoor
from labkit.emulator.invoker import Invoker
from labkit.emulator.operations import concurrency, provisioned
from labkit.emulator.operations.code import object_reader
from labkit.emulator.packages import PackageStore
from labkit.emulator.pages import Pages
from labkit.emulator.queue import EventQueue, Ways
from labkit.emulator.recorder import Recorder
from labkit.emulator.registry import Registry, parse_reference
from labkit.emulator.restore import restore
from labkit.emulator.services import Services
from labkit.emulator.signing import Credentials, Presigner, Verifier
from labkit.emulator.store import Contents, Store
from labkit.emulator.template import Templates
from labkit.emulator.wire import Wire
from labkit.model import InvocationType
from labkit.scheduler import Scheduler
from labkit.settings import Settings, new_key_id

if TYPE_CHECKING:
    from labkit.emulator.apigateway.desk import Desk


@dataclass(frozen=True, slots=True)
class Composition:
    """A running emulator without its socket: `app` answers requests."""

    app: FrontDoor
    dispatcher: Dispatcher
    services: Services
    templates: Templates
    queue: EventQueue
    store: Store | None

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
        await self.services.stop()
        await self.dispatcher.stop()
        if self.store:
            self.store.close()


def composed(settings: Settings, endpoint: str, scratch: Path, store: Store | None, *, signed: bool) -> Composition:
    """Everything, with what the store holds; without one, in the scratch folder and in memory."""
    user = Credentials(settings.access_key_id, settings.secret_access_key)
    role = Credentials(new_key_id("ASIA"), token_urlsafe(30), token_urlsafe(90))
    verifier = Verifier([user, role], region=settings.region) if signed else None
    registry = Registry(account_id=settings.account_id, region=settings.region)
    packages = PackageStore((store.folder if store else scratch) / "packages")
    contents = restore(store, registry, packages) if store else Contents()
    recorder, clock, wire = Recorder(), Clock(ahead_s=contents.ahead_s), Wire()
    services = Services(scratch, account_id=settings.account_id)
    clients = Clients(endpoint, user, region=settings.region)
    workshop = Workshop(settings, role, recorder, packages, scratch / "environments")
    templates = Templates(workshop.template)
    dispatcher = Dispatcher(
        Scheduler(account_limit=settings.account_concurrency, idle_timeout_s=settings.idle_timeout_s),
        workshop.environments(templates.of),
        templates,
    )
    invoker, queue = _invoking(registry, dispatcher, clock, clients, store)
    account = Account(
        registry,
        packages,
        dispatcher,
        Changes(dispatcher.retire),
        recorder,
        endpoint,
        object_reader(clients.call),
        lambda reference, payload: invoker.invoke(reference, payload, kind=InvocationType.EVENT),
        Presigner(user, settings.region) if signed else None,
        store,
    )
    pages = Pages(account, wire, clock, verifier).application()
    doors = Doors(invoker, registry, wire, pages, verifier)
    execute_api = Verifier([user, role], region=settings.region, service="execute-api") if signed else None
    apis = ApiDoor(
        lambda regions: _desk(invoker, registry, clients, clock, execute_api, services, regions), region=settings.region
    )
    watchers = {"apigateway": apis.changed, "cloudformation": apis.changed}  # a stack may have APIs
    forwarding = Forwarding(services, verifier, watchers=watchers)
    app = FrontDoor(invoker, wire, doors, verifier, others=forwarding, apis=apis)
    concurrency.apply(account)
    provisioned.resume(account)
    for event in contents.events:
        queue.resume(event)
    return Composition(app, dispatcher, services, templates, queue, store)


def _desk(
    invoker: Invoker,
    registry: Registry,
    clients: Clients,
    clock: Clock,
    verifier: Verifier | None,
    services: Services,
    regions: Collection[str],
) -> Desk:
    """API Gateway, for the first request to an API."""
    from labkit.emulator.apigateway.desk import Desk  # a cold path: most labs have no API

    return Desk(invoker, registry, clients, clock, verifier, lambda: services.pid, regions)


def _invoking(
    registry: Registry, dispatcher: Dispatcher, clock: Clock, clients: Clients, store: Store | None
) -> tuple[Invoker, EventQueue]:
    """The invoker and its queue, which needs the invoker in turn: a destination may be a function."""
    ways = Ways(
        submit=dispatcher.submit,
        version_of=lambda arn: registry.serving(parse_reference(arn)),
        config_of=lambda arn: registry.event_policy(parse_reference(arn)),
        reserved_of=lambda version: registry.functions[version.config.name].reserved,
        deliver=delivery(
            registry, lambda function, body: invoker.invoke(function, body, kind=InvocationType.EVENT), clients.call
        ),
        bury=burial(clients.call),
    )
    queue = EventQueue(clock, ways, journal=store)
    invoker = Invoker(registry, dispatcher, queue, clock)
    return invoker, queue
