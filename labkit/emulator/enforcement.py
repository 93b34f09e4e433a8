"""IAM's parts, put together: loaded with `--iam` only, so that a lab without it does not even import them."""

from __future__ import annotations

from collections.abc import Callable

from labkit.emulator.admission import Admission
from labkit.emulator.authority import Authority
from labkit.emulator.clients import Clients
from labkit.emulator.dispatcher import Dispatcher
from labkit.emulator.execution_role import ExecutionRole
from labkit.emulator.gate import Gate
from labkit.emulator.http import FrontDoor
from labkit.emulator.principals import Principals
from labkit.emulator.registry import FunctionVersion, Registry
from labkit.emulator.services import Services
from labkit.emulator.signatures import Signatures
from labkit.emulator.signing import Credentials, Verifier
from labkit.emulator.wire import Wire


class Enforcement:
    """Where IAM is asked: at the front door, by Lambda's own operations, and before a cold start."""

    def __init__(self, services: Services, clients: Clients, verifier: Verifier, owner: Credentials) -> None:
        self._owner, self._verifier = owner, verifier
        self._principals = Principals(services.ask, verifier)
        self.role_checks = ExecutionRole(self._principals, clients.call)

    def credentials(self, version: FunctionVersion) -> Credentials:
        """What a function's environments sign with: a session of its role."""
        return self._principals.credentials(version)

    def admission(self, dispatcher: Dispatcher) -> Admission:
        return Admission(dispatcher, self.role_checks.check_start)

    def gate(self, app: FrontDoor, wire: Wire, registry: Registry, now: Callable[[], float]) -> Gate:
        authority = Authority(self._principals, wire, registry, now)
        account_id, signatures = registry.account_id, Signatures(self._verifier)
        return Gate(app, self._owner, self._principals, authority, signatures, wire, account_id=account_id, now=now)
