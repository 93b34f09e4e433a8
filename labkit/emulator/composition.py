"""What one emulator consists of: the only place that knows all parts, and the order in which they end."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from labkit.emulator.account import Account
from labkit.emulator.apigateway.door import ApiDoor
from labkit.emulator.changes import Changes
from labkit.emulator.clients import Clients
from labkit.emulator.clock import Clock
from labkit.emulator.daemon import Daemon
from labkit.emulator.deliveries import Deliveries
from labkit.emulator.destinations import burial, delivery
from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.doors import Doors
from labkit.emulator.environments import Workshop
from labkit.emulator.forwarding import Forwarding, Watcher
from labkit.emulator.http import FrontDoor
from labkit.emulator.invoker import Invoker
from labkit.emulator.keyring import Keyring
from labkit.emulator.listening import Door
from labkit.emulator.machines import Machines
from labkit.emulator.metrics import Book
from labkit.emulator.operations import concurrency, provisioned
from labkit.emulator.operations.code import object_reader
from labkit.emulator.packages import PackageStore
from labkit.emulator.pages import Pages
from labkit.emulator.queue import EventQueue, Ways
from labkit.emulator.recorder import Recorder
from labkit.emulator.registry import Reference, Registry, parse_reference
from labkit.emulator.reset import resetting
from labkit.emulator.restore import restore
from labkit.emulator.segments import Sampler
from labkit.emulator.services import Services
from labkit.emulator.signatures import Signatures
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
    from labkit.emulator.apigateway.desk import Desk
    from labkit.emulator.enforcement import Enforcement


class Composition:
    """A running emulator without its socket: `app` answers requests. What a store holds is there again.

    Made in the order in which parts need each other; where two need one another, the earlier one asks for the later
    when it is used.
    """

    def __init__(
        self,
        settings: Settings,
        endpoint: str,
        scratch: Path,
        store: Store | None = None,
        *,
        signed: bool,
        iam: bool = False,
    ) -> None:
        self.store = store
        self.dispatcher: Dispatcher
        self._invoker: Invoker
        self._settings, self._endpoint, self._scratch = settings, endpoint, scratch
        self._user = Credentials(settings.access_key_id, settings.secret_access_key)
        self._role = Credentials(new_key_id("ASIA"), token_urlsafe(30), token_urlsafe(90))
        self._verifier = Verifier([self._user, self._role], region=settings.region) if signed else None
        self._registry = Registry(account_id=settings.account_id, region=settings.region)
        self._packages = PackageStore((store.folder if store else scratch) / "packages")
        contents = restore(store, self._registry, self._packages) if store else Contents()
        self._recorder, self._wire = Recorder(), Wire()
        self._clock = Clock(ahead_s=contents.ahead_s)
        self._make_services(iam=iam)
        self._make_environments()
        self._make_invocations()
        self._account = self._make_account()
        self.app = self._make_doors()
        self._resume(contents)

    # --- its parts

    def _make_services(self, *, iam: bool) -> None:
        """The account's other services, who may do what there, and what is told of the functions there."""
        settings = self._settings
        self._clients = Clients(self._endpoint, self._user, region=settings.region)
        self.services = Services(
            self._scratch,
            account_id=settings.account_id,
            deliveries=Deliveries(
                self._registry, lambda *args, **more: self._invoker.invoke(*args, **more), self._clock
            ),
            variables=self._way_back(),
        )
        self._enforcement = self._enforced(self._verifier) if iam and self._verifier else None
        self._keyring = Keyring(self.services.ask, self._verifier) if self._verifier and not iam else None
        self._book, self._sampler, self._daemon = Book(), Sampler(), Daemon()
        self.telemetry = Telemetry(
            self._recorder,
            self.services,
            account_id=settings.account_id,
            region=settings.region,
            book=self._book,
            sampler=self._sampler,
            daemon=self._daemon,
        )

    def _make_environments(self) -> None:
        settings = self._settings
        self.vpc = Vpc(
            self._scratch,
            self.services.ask,
            lambda version: self.dispatcher.recycle(version),
            endpoint=self._endpoint,
            region=settings.region,
        )
        workshop = Workshop(
            settings,
            self._enforcement.credentials if self._enforcement else lambda version: self._role,
            self._recorder,
            self._daemon,
            self._packages,
            self.vpc,
            self._scratch / "environments",
            self._endpoint,
        )
        self.templates = Templates(workshop.template)
        self.dispatcher = Dispatcher(
            Scheduler(account_limit=settings.account_concurrency, idle_timeout_s=settings.idle_timeout_s),
            workshop.environments(self.templates.of),
            self.templates,
            throttled=lambda it: self._book.note("Throttles", it.function_arn, it.version.version, it.arrived_at),
        )

    def _make_invocations(self) -> None:
        """The one way to a handler, and those who go it by themselves: the queue, sources that are polled."""
        registry, clock = self._registry, self._clock
        admission = self._enforcement.admission(self.dispatcher) if self._enforcement else self.dispatcher
        ways = Ways(
            submit=admission.submit,
            version_of=lambda arn: registry.serving(parse_reference(arn)),
            config_of=lambda arn: registry.event_policy(parse_reference(arn)),
            reserved_of=lambda version: registry.functions[version.config.name].reserved,
            deliver=delivery(registry, self._accept, self._clients.call),
            bury=burial(self._clients.call),
            note=lambda what, it, n: self._book.note(what, it.function_arn, it.version.version, clock.now(), n),
            loops=lambda invocation: self._invoker.loops(invocation),
        )
        self.queue = EventQueue(clock, ways, journal=self.store)
        self._invoker = Invoker(registry, admission, self.queue, clock, self._sampler)
        self.pollers = Pollers(
            Parts(
                registry,
                clock,
                self._invoker.invoke,
                self._clients.call,
                lambda arn, record: ways.deliver(arn, record, ""),
                self._keep_mapping,
            )
        )

    def _make_account(self) -> Account:
        return Account(
            self._registry,
            self._packages,
            self.dispatcher,
            Changes(self.dispatcher.retire),
            self._recorder,
            self._endpoint,
            object_reader(self._clients.call),
            self._accept,
            self.pollers,
            Presigner(self._user, self._settings.region) if self._verifier else None,
            self.store,
            self.vpc,
            self._enforcement.role_checks if self._enforcement else None,
        )

    def _make_doors(self) -> Door:
        verifier, wire = self._verifier, self._wire
        self.machines = Machines(self._clock, self.services.tell)
        self.watch = Watch(self._timer)
        apis = ApiDoor(self._desk, region=self._settings.region)
        reset = resetting(self.queue, self.services, forget=self._forget)
        pages = Pages(self._account, wire, self._clock, verifier, machines=self.machines, reset=reset).application()
        others = Forwarding(
            self.services,
            verifier,
            signatures=Signatures(verifier) if verifier and not self._enforcement else None,
            before=self.telemetry.before,
            passed=(self.watch.passed, self.machines.passed, self.pollers.passed),
            watchers=self._watchers(apis),
        )
        rest = Doors(self._invoker, self._registry, wire, pages, verifier)
        front = FrontDoor(
            self._invoker, wire, rest, verifier, others=others, apis=apis, proxy_prefix=self._settings.proxy_prefix
        )
        return self._enforcement.gate(front, wire, self._registry, self._clock.now) if self._enforcement else front

    def _watchers(self, apis: ApiDoor) -> dict[str, tuple[Watcher, ...]]:
        """Who is told of changes, by service; a stack may have APIs and users."""
        keys = (self._keyring.changed,) if self._keyring else ()
        return {"apigateway": (apis.changed,), "cloudformation": (apis.changed, *keys), "iam": keys, "sts": keys}

    def _resume(self, contents: Contents) -> None:
        concurrency.apply(self._account)
        provisioned.resume(self._account)
        for event in contents.events:
            self.queue.resume(event)
        self.pollers.resume()

    # --- what they ask for

    async def _accept(self, reference: Reference, payload: bytes, trace_id: str = "") -> object:
        """An asynchronous invocation."""
        return await self._invoker.invoke(reference, payload, kind=InvocationType.EVENT, trace_id=trace_id)

    def _forget(self) -> None:
        """The account was emptied."""
        self.watch.forget()
        if self._keyring:
            self._keyring.forget()

    def _keep_mapping(self, mapping_id: str) -> None:
        if self.store:
            self.store.keep("mappings", mapping_id, self._registry.mappings.get(mapping_id))

    def _way_back(self) -> dict[str, str]:
        """By which moto's process finds the emulator: services there call one another, and functions, here."""
        return {
            "AWS_ENDPOINT_URL": self._endpoint,
            "AWS_DEFAULT_REGION": self._settings.region,
            "AWS_ACCESS_KEY_ID": self._user.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self._user.secret_access_key,
        }

    def _enforced(self, verifier: Verifier) -> Enforcement:
        from labkit.emulator.enforcement import Enforcement  # a cold path: most labs let everybody do everything

        return Enforcement(self.services, self._clients, verifier, self._user)

    def _desk(self, regions: Collection[str]) -> Desk:
        """API Gateway, for the first request to an API; these regions have APIs."""
        from labkit.emulator.apigateway.desk import Desk  # a cold path: most labs have no API

        signers, region = [self._user, self._role], self._settings.region
        verifier = Verifier(signers, region=region, service="execute-api") if self._verifier else None
        services = self.services
        return Desk(self._invoker, self._registry, self._clients, self._clock, verifier, lambda: services.pid, regions)

    def _timer(self) -> Timer:
        from labkit.emulator.timed import delivery as in_time  # a cold path: most labs schedule nothing
        from labkit.emulator.timed import timer

        carrier = in_time.Delivery(self._clock, self._registry, self._invoker.invoke, self._clients.call)
        account_id, services = self._registry.account_id, self.services
        return timer.Timer(self._clock, self._clients.call, carrier, account_id=account_id, moto=lambda: services.pid)

    # --- its end

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
