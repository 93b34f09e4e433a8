"""Functions for users of moto's `mock_aws`, in this process: moto keeps them, a lab runs them, no Docker.

    test: boto3 inside of mock_aws -> moto's Lambda (this process) -> LambdaFunction._invoke_lambda, which is ours
      -> a lab (one per region and account, started by the first invocation) runs the function's own zip
    handler: boto3 -> AWS_ENDPOINT_URL -> a server of moto's in this process -> the same buckets, queues and tables

Everything else stays moto's: an invocation of any type has run when the call returns, so has whatever S3, SNS, SQS or
EventBridge cause, and nobody's policy is asked, as tests of `mock_aws` know it. Events have the shape that `seam`'s
modules give them. What a handler prints is where moto's users look for it: in the log group, and in LogResult.

`enable` counts: nested uses end with the outermost. Nothing is started before a function runs.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import ModuleType, TracebackType
from typing import Any, ParamSpec, TypeVar

from botocore.exceptions import ClientError
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from labkit.client import Lab
from labkit.mockaws import seam
from labkit.mockaws.corrected import BY_MODULE
from labkit.mockaws.corrections import Correction, Corrections
from labkit.mockaws.seam import DRY_RUN, Delivery, Reply
from labkit.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
MOTOS_OWN = frozenset({"moto.awslambda.utils", "moto.secretsmanager.models"})  # it has functions, and runs them at once


def correct_functions(module: ModuleType, corrections: Corrections) -> None:
    """moto.awslambda.models"""
    corrections.replace(module.LambdaFunction, "_invoke_lambda", lambda _: _run)
    corrections.replace(module.LambdaFunction, "invoke", _naming_errors)


_BY_MODULE: dict[str, Correction] = {
    **{name: correct for name, correct in BY_MODULE.items() if name not in MOTOS_OWN},
    "moto.awslambda.models": correct_functions,
}


class MotosFunctions:
    """A courier to the functions of this process."""

    def send(self, delivery: Delivery) -> Reply:
        from moto.awslambda.models import lambda_backends  # moto is loaded where it is used

        if delivery.kind == DRY_RUN:
            return Reply()
        _, _, _, region, account_id, *_ = delivery.function_arn.split(":")
        try:
            function = lambda_backends[account_id][region].get_function(delivery.function_arn)
        except Exception as error:
            return Reply(str(error), missing=True)
        answer: dict[str, str] = {}
        payload = function.invoke(delivery.payload, {}, answer)
        return Reply(payload=payload.decode("utf-8", "replace"), failed="x-amz-function-error" in answer)


@dataclass(slots=True)
class _Labs:
    """The labs that run functions, and the server that handlers reach this process by."""

    by_place: dict[tuple[str, str], Lab] = field(default_factory=dict)
    deployed: dict[tuple[str, str, str], str] = field(default_factory=dict)
    server: BaseWSGIServer | None = None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def lab(self, account_id: str, region: str) -> Lab:
        with self.lock:
            place = (account_id, region)
            if place not in self.by_place:
                known = Settings.from_environment(os.environ)
                settings = replace(known, account_id=account_id, region=region, endpoint="")
                self.by_place[place] = Lab(settings=settings)
            return self.by_place[place]

    def endpoint(self) -> str:
        with self.lock:
            if self.server is None:
                application = DomainDispatcherApplication(create_backend_app)
                self.server = make_server("127.0.0.1", 0, application, threaded=True, request_handler=_Quiet)
                threading.Thread(target=self.server.serve_forever, daemon=True).start()
            return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self) -> None:
        with self.lock:
            for lab in self.by_place.values():
                lab.stop()
            if self.server:
                self.server.shutdown()
                self.server.server_close()
            self.by_place, self.deployed, self.server = {}, {}, None


class _Quiet(MotoRequestHandler):  # type: ignore[misc]
    def log_request(self, *args: object) -> None:
        """A line for each request is nobody's."""


_labs = _Labs()
_corrections = Corrections(_BY_MODULE)
_uses: list[Enabled] = []


class Enabled:
    """What `enable` gives: its end is `stop`, or the end of a `with` or of a decorated function."""

    def start(self) -> Enabled:
        _uses.append(self)
        if len(_uses) == 1:
            seam.use(MotosFunctions())
            _corrections.apply()
        return self

    def stop(self) -> None:
        if self not in _uses:
            return
        _uses.remove(self)
        if not _uses:
            _corrections.undo()
            seam.use(None)
            _labs.stop()

    def __enter__(self) -> Enabled:
        return self if self in _uses else self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def __call__(self, function: Callable[P, R]) -> Callable[P, R]:
        """A decorator: enabled while the function runs, and not before."""
        self.stop()

        @functools.wraps(function)
        def run_enabled(*args: P.args, **kwargs: P.kwargs) -> R:
            with Enabled().start():
                return function(*args, **kwargs)

        return run_enabled


def end() -> None:
    """Ends all uses."""
    while _uses:
        _uses[-1].stop()


def _run(function: Any, event: Any = None) -> tuple[str, bool, str]:
    """Stands for moto's run in a container: the result, whether it is an error, and what was logged."""
    payload = b"{}" if event in (None, "{}") else json.dumps(event).encode()
    client = _labs.lab(function.account_id, function.region).boto3("lambda")
    try:
        name = _deployed(client, function)
        answer = client.invoke(FunctionName=name, Payload=payload, LogType="Tail")
    except ClientError as error:
        said = error.response["Error"]
        failed = {"errorType": said.get("Code", ""), "errorMessage": said.get("Message", "")}
        return json.dumps(failed), True, ""
    log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
    function.logs_backend.ensure_log_group(function.logs_group_name)
    function.save_logs(log)
    return answer["Payload"].read().decode("utf-8", "replace"), "FunctionError" in answer, log


def _deployed(client: Any, function: Any) -> str:
    """The function's name in the lab, which has its code and configuration as moto has them now."""
    key = (function.account_id, function.region, function.function_name)
    wanted = _configuration(function)
    marks = [
        json.dumps(wanted, sort_keys=True, default=str),
        function.code_digest,
        *(la["Arn"] for la in function.layers),
    ]
    mark = hashlib.sha256("\n".join(marks).encode()).hexdigest()
    with _labs.lock:
        if _labs.deployed.get(key) != mark:
            if _labs.deployed.pop(key, None):
                client.delete_function(FunctionName=function.function_name)
            layers = (
                {"Layers": [_layer(client, function, la["Arn"]) for la in function.layers]} if function.layers else {}
            )
            client.create_function(**wanted, **layers, Code={"ZipFile": function.code_bytes})
            client.get_waiter("function_active_v2").wait(FunctionName=function.function_name)
            _labs.deployed[key] = mark
    return str(function.function_name)


def _configuration(function: Any) -> dict[str, Any]:
    variables = {
        "AWS_ENDPOINT_URL": _labs.endpoint(),
        **{name: str(value) for name, value in function.environment_vars.items()},
    }
    given = {
        "FunctionName": function.function_name,
        "Runtime": function.run_time,
        "Role": function.role,
        "Handler": function.handler,
        "Timeout": int(function.timeout),
        "MemorySize": int(function.memory_size),
        "PackageType": function.package_type,
        "Environment": {"Variables": variables},
    }
    return {name: value for name, value in given.items() if value is not None}


def _layer(client: Any, function: Any, arn: str) -> str:
    """The layer's version in the lab; a lab keeps each content once."""
    from moto.awslambda.models import lambda_backends  # as above

    layer = lambda_backends[function.account_id][function.region].layers_versions_by_arn(arn)
    answer = client.publish_layer_version(LayerName=arn.split(":")[6], Content={"ZipFile": layer.code_bytes})
    return str(answer["LayerVersionArn"])


def _naming_errors(invoke: Callable[..., str | bytes]) -> Callable[..., str | bytes]:
    """AWS's word for an error of a handler is `Unhandled`; moto says `Handled`."""

    def told(function: Any, body: Any, request_headers: Any, response_headers: Any) -> str | bytes:
        answer = invoke(function, body, request_headers, response_headers)
        if "x-amz-function-error" in response_headers:
            response_headers["x-amz-function-error"] = "Unhandled"
        return answer

    return told
