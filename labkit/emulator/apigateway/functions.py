"""How API Gateway runs a function: it must be allowed to, and does not wait for ever.

A function's resource policy must let `apigateway.amazonaws.com` in for the method's ARN, unless the integration names a
role whose own permissions count. One line on the emulator's stderr says which AddPermission is missing: on AWS a caller
sees "Internal server error", and so does one here.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from labkit.emulator.invoker import Answer, Invoker
from labkit.emulator.permissions import permits
from labkit.emulator.registry import Registry, parse_reference
from labkit.errors import InvalidParameterValue, ResourceNotFound
from labkit.model import InvocationType

PRINCIPAL = "apigateway.amazonaws.com"


class NotRun(Exception):
    """There is no such function, or API Gateway may not run it. What is wrong was said on stderr."""


class TimedOut(Exception):
    """The function was not ready in time. It runs on, as on AWS."""


def say(message: str) -> None:
    """One line on the emulator's stderr, whatever is in it."""
    print(f"labkit: {' '.join(message.split())}", file=sys.stderr, flush=True)  # noqa: T201


class Functions:
    """See the module's docstring."""

    def __init__(self, invoker: Invoker, registry: Registry) -> None:
        self._invoker = invoker
        self._registry = registry

    async def run(
        self,
        name: str,
        payload: bytes,
        *,
        source_arns: Sequence[str],
        timeout_s: float,
        trace_id: str = "",
        by_role: bool = False,
        kind: str = InvocationType.REQUEST_RESPONSE,
    ) -> Answer:
        """Raises NotRun, TimedOut, and the ServiceErrors of the Invoke operation."""
        self._check(name, source_arns, by_role=by_role)
        running = asyncio.ensure_future(
            self._invoker.invoke(parse_reference(name), payload, kind=kind, trace_id=trace_id)
        )
        done, _ = await asyncio.wait({running}, timeout=timeout_s)
        if not done:
            running.add_done_callback(lambda late: late.cancelled() or late.exception())
            raise TimedOut
        return running.result()

    def _check(self, name: str, source_arns: Sequence[str], *, by_role: bool) -> None:
        try:
            function, qualifier = self._registry.named(name)
        except (ResourceNotFound, InvalidParameterValue) as error:
            say(f"API Gateway cannot run {name}: {error}")
            raise NotRun from None
        statements = function.policies.get(qualifier, ())
        account = self._registry.account_id
        if not by_role and not any(
            permits(statements, principal=PRINCIPAL, source_arn=arn, source_account=account) for arn in source_arns
        ):
            say(
                f"API Gateway may not run {name}: no permission for {source_arns[-1]}. Try: lambda.add_permission("
                f"FunctionName={name!r}, StatementId='api', Action='lambda:InvokeFunction', Principal={PRINCIPAL!r},"
                f" SourceArn={source_arns[-1]!r})"
            )
            raise NotRun
