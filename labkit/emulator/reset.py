"""`POST /moto-api/reset`, as users of moto's server know it: everything that was created in this account is gone.

moto's own state, and what is ours: waiting events, event source mappings, functions with their logs and traces, layers,
code signing configurations. Nothing is undone one by one that could fail half way: each is deleted by the operation of
the API that deletes it. A moto that does not run has nothing to clear, and is not started for it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from labkit.emulator.account import Account
from labkit.emulator.control import perform
from labkit.emulator.pages import RESET_PATH
from labkit.emulator.queue import EventQueue
from labkit.emulator.services import Services

Reset = Callable[[Account], Awaitable[None]]


def resetting(queue: EventQueue, services: Services, *, forget: Callable[[], None] = lambda: None) -> Reset:
    """What clears the account. `forget`: what was known of moto's contents."""

    async def reset(account: Account) -> None:
        queue.clear()
        registry = account.registry
        for mapping_id in list(registry.mappings):
            await perform(account, "DeleteEventSourceMapping", {"UUID": mapping_id})
        for name in list(registry.functions):
            await perform(account, "DeleteFunction", {"FunctionName": name})
        for name, layer in list(registry.layers.items()):
            for number in list(layer.versions):
                await perform(account, "DeleteLayerVersion", {"LayerName": name, "VersionNumber": number})
        for config in list(registry.code_signing.values()):
            await perform(account, "DeleteCodeSigningConfig", {"CodeSigningConfigArn": config.arn})
        account.recorder.clear()
        if services.pid is not None:
            await services.command(RESET_PATH)
        forget()

    return reset
