"""Which of moto's services answers a request; and the one seam through which they would call a function.

Functions are the emulator's: moto's own Lambda is not served here, and whatever in moto wants to run a function
(a notification of S3, a subscription of SNS, a rule of EventBridge) finds `NoFunctions` in its place.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import moto.awslambda.utils
import requests
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from labkit.mockaws import identities

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

NOT_SERVED = frozenset({"awslambda", "lambda", "lambda_simple", "moto_api", "instance_metadata"})
SIGNED_FOR = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/,\s]*/([^/,\s]+)/aws4_request")


class UnknownService(Exception):
    """moto has no such service, or a package that it needs is not installed."""


class NoFunctions:
    """Stands for moto's Lambda, with the methods that its other services call: says what was not delivered."""

    def get_function(self, function_name: str, *rest: object) -> NoFunctions:
        return self

    def invoke(self, *args: object, **kwargs: object) -> None:
        _say("an event was not delivered: functions are not called by other services yet")

    def send_sns_message(self, function_name: str, *rest: object, **kwargs: object) -> None:
        _say(f"a message was not delivered to the function {function_name}")

    def send_log_event(self, function_arn: str, *rest: object, **kwargs: object) -> None:
        _say(f"log events were not delivered to {function_arn}")

    def send_sqs_batch(self, *args: object) -> bool:
        return False

    def send_dynamodb_items(self, *args: object) -> None:
        return None


class Dispatcher:
    """A WSGI application: moto's services, each made when it is first asked for."""

    def __init__(self) -> None:
        self._moto = _Moto(create_backend_app)
        self._policies = identities.ManagedPolicies()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if (own := identities.answer(environ)) is not None:
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(own)))])
            return [own]
        if _signed_for(environ) in ("iam", "cloudformation"):
            self._policies.load(DEFAULT_ACCOUNT_ID)
        try:
            service = self._moto.get_application(environ)
        except UnknownService as error:
            return _refusal(str(error), environ, start_response)
        answer: Iterable[bytes] = service(environ, start_response)
        return answer


class _Moto(DomainDispatcherApplication):  # type: ignore[misc]
    """moto's own dispatcher, which also reads the service of a presigned address, and answers for no functions."""

    def infer_service_region_host(self, environ: Environ, path: str) -> str | None:
        given = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Credential", [""])[0]
        if given and not environ.get("HTTP_AUTHORIZATION"):
            environ = {**environ, "HTTP_AUTHORIZATION": f"AWS4-HMAC-SHA256 Credential={given}, "}
        host: str | None = super().infer_service_region_host(environ, path)
        return host

    def get_application(self, environ: Environ) -> Any:
        path = environ.get("PATH_INFO", "")
        if path.startswith(("/moto-api", "/latest/meta-data/", "/latest/api/")):
            raise UnknownService("moto's own pages are not served by labkit.")
        try:
            return super().get_application(environ)
        except ModuleNotFoundError as error:
            raise UnknownService(
                f"{_signed_for(environ)} needs the package {error.name}: pip install 'moto[server]'."
            ) from None

    def get_backend_for_host(self, host: str | None) -> Any:
        backend = super().get_backend_for_host(host)
        if backend in NOT_SERVED or (host is not None and backend is None):
            raise UnknownService(f"moto does not have the service of {host}.")
        return backend


def disconnect() -> None:
    """Puts NoFunctions where moto's services look for functions, each time that they call one; HTTP goes nowhere.

    A publisher on AWS does not notice a subscriber that cannot be reached; what moto calls by HTTP is answered here.
    """
    moto.awslambda.utils.get_backend = lambda account_id, region: NoFunctions()
    requests.post = lambda url, *args, **kwargs: not_sent("POST", url)
    requests.request = lambda method, url, *args, **kwargs: not_sent(method, url)


def not_sent(method: str, url: str) -> requests.Response:
    """The answer that stands for the network's."""
    _say(f"not sent: {method} {url}: the mocked account does not reach the network")
    answer = requests.Response()
    answer.status_code, answer.url = 503, url
    return answer


def _signed_for(environ: Environ) -> str:
    found = SIGNED_FOR.search(environ.get("HTTP_AUTHORIZATION", ""))
    return found[1] if found else "this service"


def _refusal(message: str, environ: Environ, start_response: StartResponse) -> list[bytes]:
    """An error in JSON, or in XML for the services that take forms: a client reads nothing else."""
    code = "NotImplementedException"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        kind, text = "text/xml", f"<ErrorResponse>{error}</ErrorResponse>"
    else:
        kind, text = "application/json", json.dumps({"__type": code, "message": message})
    body = text.encode()
    fields = {"Content-Type": kind, "Content-Length": str(len(body)), "x-amzn-ErrorType": code}
    start_response("501 Not Implemented", list(fields.items()))
    return [body]


def _say(message: str) -> None:
    print(f"labkit: {message}", file=sys.stderr, flush=True)  # noqa: T201
