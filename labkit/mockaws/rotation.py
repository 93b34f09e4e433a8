"""Secrets Manager's rotation: four runs of the rotation function, one after the other, after RotateSecret has answered.

Secrets Manager user guide, "Lambda rotation functions": createSecret, setSecret, testSecret, finishSecret; the last one
moves AWSCURRENT. moto runs them inside of the caller's request, and makes the new version current before it has a
value; here a thread of moto's process runs them, and a step that fails ends the rotation, with a line on standard
error: the pending version stays, as on AWS.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from labkit.mockaws.corrections import Corrections
from labkit.mockaws.seam import REQUEST_RESPONSE, Delivery, NoFunction, cause, run, say_undelivered, why_not

SECRETS_MANAGER = "secretsmanager.amazonaws.com"
DENIED = (
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access to the"
    " principal secretsmanager.amazonaws.com."
)


@dataclass(slots=True)
class _Rotation:
    """What moto asks for while it answers RotateSecret: stands for its Lambda meanwhile."""

    account_id: str
    secret_arn: str
    steps: list[Delivery] = field(default_factory=list)

    def get_function(self, function_name: str, qualifier: str | None = None) -> None:
        """Raises NoFunction, which moto turns into ResourceNotFoundException."""
        if why_not(function_name, principal="", source_arn="", account_id=self.account_id).missing:
            raise NoFunction(function_name)

    def invoke(self, function_name: str, qualifier: str | None, body: str, headers: Any, response_headers: Any) -> None:
        event = {**json.loads(body), "SecretId": self.secret_arn}  # moto says its name
        self.steps.append(
            Delivery(
                function_name,
                SECRETS_MANAGER,
                self.secret_arn,
                self.account_id,
                json.dumps(event),
                REQUEST_RESPONSE,
                cause().trace_id,
            )
        )


_rotating: ContextVar[_Rotation | None] = ContextVar("rotating", default=None)


def rotating() -> _Rotation | None:
    """Where a rotation's steps go while moto answers RotateSecret."""
    return _rotating.get()


def correct(module: ModuleType, corrections: Corrections) -> None:
    """moto.secretsmanager.models"""
    corrections.replace(module.SecretsManagerBackend, "rotate_secret", _noting)
    corrections.replace(module.SecretsManagerBackend, "update_secret_version_stage", _moving)
    corrections.replace(module.FakeSecret, "set_default_version_id", _leaving_current)


def _leaving_current(change: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """The function's last step makes a version current, not the request that begins the rotation."""

    def set_default_version_id(secret: Any, version_id: str | None) -> None:
        if _rotating.get() is None:
            change(secret, version_id)

    return set_default_version_id


def _moving(update: Callable[..., Any]) -> Callable[..., Any]:
    """The version that AWSCURRENT is moved to is the one that is read from then on; moto goes on with the old one."""

    def update_secret_version_stage(
        backend: Any, secret_id: str, version_stage: str, remove_from_version_id: str, move_to_version_id: str
    ) -> Any:
        answer = update(backend, secret_id, version_stage, remove_from_version_id, move_to_version_id)
        if version_stage == "AWSCURRENT" and move_to_version_id:
            backend.secrets[secret_id].set_default_version_id(move_to_version_id)
        return answer

    return update_secret_version_stage


def _noting(rotate: Callable[..., Any]) -> Callable[..., Any]:
    def rotate_secret(
        backend: Any,
        secret_id: str,
        client_request_token: str | None = None,
        rotation_lambda_arn: str | None = None,
        rotation_rules: dict[str, Any] | None = None,
        rotate_immediately: bool = True,
    ) -> Any:
        secret = backend.secrets[secret_id] if backend._is_valid_identifier(secret_id) else None
        rotation = _Rotation(backend.account_id, getattr(secret, "arn", ""))
        function_arn: str = rotation_lambda_arn or getattr(secret, "rotation_lambda_arn", "") or ""  # moto forgets it
        _check(rotation, function_arn)
        token = _rotating.set(rotation)
        try:
            answer = rotate(backend, secret_id, client_request_token, function_arn, rotation_rules, rotate_immediately)
        finally:
            _rotating.reset(token)
        if not rotation.steps:
            return answer
        threading.Thread(target=rotate_in_steps, args=(rotation.steps,), daemon=True).start()
        pending = json.loads(rotation.steps[0].payload)["ClientRequestToken"]
        return json.dumps({**json.loads(answer), "VersionId": pending})

    return rotate_secret


def _check(rotation: _Rotation, function_arn: str) -> None:
    """Raises moto's AccessDenied if the function is there and its policy does not let Secrets Manager in."""
    if not function_arn:
        return
    source, account_id = rotation.secret_arn, rotation.account_id
    reply = why_not(function_arn, principal=SECRETS_MANAGER, source_arn=source, account_id=account_id)
    if reply.refusal and not reply.missing:
        from moto.secretsmanager.exceptions import SecretsManagerClientError  # moto is loaded where it is used

        raise SecretsManagerClientError("AccessDeniedException", DENIED)


def rotate_in_steps(steps: Sequence[Delivery]) -> None:
    """Each step waits for the one before; one that fails is the last."""
    for step in steps:
        reply = run(step)
        if reply.refusal or reply.failed:
            say_undelivered(
                step, reply.refusal or f"the rotation ends, its step failed: {step.payload} {reply.payload}"
            )
            return
