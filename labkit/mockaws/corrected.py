"""The list of what the seam replaces in moto: the lookup of functions, and the modules that make events."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from labkit.mockaws import buckets, loggroups, messages, rotation, rules, topics
from labkit.mockaws.corrections import Correction, Corrections
from labkit.mockaws.seam import Functions


def functions(account_id: str, region: str) -> Any:
    """Stands for `moto.awslambda.utils.get_backend`."""
    return rotation.rotating() or Functions(account_id, region)


def correct_lookup(module: ModuleType, corrections: Corrections) -> None:
    """moto.awslambda.utils, where all of moto's services look at the moment of a call"""
    corrections.replace(module, "get_backend", lambda _: functions)


BY_MODULE: dict[str, Correction] = {
    "moto.awslambda.utils": correct_lookup,
    "moto.s3.notifications": buckets.correct_notifications,
    "moto.s3.models": buckets.correct_buckets,
    "moto.s3.responses": buckets.correct_requests,
    "moto.sns.models": topics.correct,
    "moto.events.models": rules.correct,
    "moto.events.notifications": rules.correct_notifications,
    "moto.logs.models": loggroups.correct,
    "moto.secretsmanager.models": rotation.correct,
    "moto.sqs.models": messages.correct,
}
_installed = Corrections(BY_MODULE)


def install() -> None:
    """moto's services find the seam where they look for functions."""
    _installed.apply()


def uninstall() -> None:
    """moto is its own again."""
    _installed.undo()
