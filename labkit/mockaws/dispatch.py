"""Which of moto's services answers a request, and what is done around its answer.

Functions are the emulator's: moto's own Lambda is not served here, and whatever in moto wants to run a function
(a notification of S3, a subscription of SNS, a rule of EventBridge) comes to the `seam`. What a request has caused is
posted when moto has answered it, before the caller sees the answer. Of moto's own pages there is the one that clears
everything.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

import requests
from moto.core import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from labkit.mockaws import apigateway, cloudwatch, identities, seam
from labkit.mockaws.buckets import id_2
from labkit.mockaws.corrected import install

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

OWN_HOST = "labkit"  # what is passed on has a loopback's name
NOT_SERVED = frozenset({"awslambda", "lambda", "lambda_simple", "moto_api", "instance_metadata"})
RESET = "/moto-api/reset"
SIGNED_FOR = re.compile(r"Credential=[^/,\s]+/\d{8}/[^/,\s]*/([^/,\s]+)/aws4_request")


class UnknownService(Exception):
    """moto has no such service, or a package that it needs is not installed."""


class Dispatcher:
    """A WSGI application: moto's services, each made when it is first asked for."""

    def __init__(
        self,
        prepare: Mapping[str, Callable[[], None]] = MappingProxyType({}),
        own: Mapping[str, Callable[[str], None]] = MappingProxyType({}),
    ) -> None:
        """`prepare`: what is done before a service of moto is first asked for. `own`: what the emulator itself may ask,
        by the first part of the path; the rest of it is told.
        """
        self._own = own
        self._moto = _Moto(_application)
        self._moto.prepare = dict(prepare)
        self._policies = identities.ManagedPolicies()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ.get("HTTP_HOST") == OWN_HOST:
            return self._answer(environ, start_response)
        if environ.get("PATH_INFO") == RESET and environ.get("REQUEST_METHOD") == "POST":
            return _reset(start_response)
        if _signed_for(environ) in ("iam", "cloudformation"):
            self._policies.load(DEFAULT_ACCOUNT_ID)
        request = cause_of(environ)
        try:
            with seam.answering(request):
                service = self._moto.get_application(environ)
                answer: Iterable[bytes] = service(environ, _naming(request, start_response))
        except UnknownService as error:
            return _refusal(str(error), environ, start_response)
        seam.post(request)
        return answer

    def _answer(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
        """The emulator's own questions: nobody else's request has this host."""
        body = identities.answer(environ)
        if body is None:
            _, name, rest = f"{environ['PATH_INFO']}/".split("/", 2)
            self._own[f"/{name}"](rest.rstrip("/"))
            body = b""
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]


def cause_of(environ: Environ) -> seam.Cause:
    """What events tell of their request. An SDK encodes the bars of its X-Ray header."""
    return seam.Cause(environ.get("HTTP_X_AMZN_TRACE_ID", "").replace("%7C", "|"))


def _naming(request: seam.Cause, start_response: StartResponse) -> StartResponse:
    """The ids in S3's answer are those in the events that it has caused."""

    def start(status: str, fields: list[tuple[str, str]], *more: Any) -> object:
        if request.named:
            ids = {"x-amz-request-id": request.request_id, "x-amz-id-2": id_2(request.request_id)}
            fields = [*((name, value) for name, value in fields if name.lower() not in ids), *ids.items()]
        return start_response(status, fields, *more)

    return start


def _reset(start_response: StartResponse) -> Iterable[bytes]:
    from moto.moto_api._internal.models import moto_api_backend  # moto is loaded where it is used

    moto_api_backend.reset()
    body = b'{"status": "ok"}'
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


class _Moto(DomainDispatcherApplication):  # type: ignore[misc]
    """moto's own dispatcher, which also reads the service of a presigned address."""

    prepare: dict[str, Callable[[], None]]

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
        if made_ready := self.prepare.pop(backend, None):  # under moto's lock
            made_ready()
        return backend


def _application(service: str) -> Any:
    """A service of moto, improved where it needs to be when it is first asked for."""
    if service == "sqs":
        from labkit.mockaws import queues  # a cold path: only who has queues waits for it

        queues.improve()
    elif service in ("kinesis", "dynamodb", "dynamodbstreams"):
        from labkit.mockaws import streams  # as above

        streams.IMPROVEMENTS[service]()
    elif service in ("apigateway", "apigatewayv2", "cloudformation"):  # which makes APIs, too
        apigateway.complete()
    elif service == "cloudwatch":
        cloudwatch.correct()
    return create_backend_app(service)


def disconnect() -> None:
    """Puts the seam where moto's services look for functions; HTTP goes nowhere.

    A publisher on AWS does not notice a subscriber that cannot be reached; what moto calls by HTTP is answered here.
    """
    install()
    requests.post = lambda url, *args, **kwargs: not_sent("POST", url)
    requests.request = lambda method, url, *args, **kwargs: not_sent(method, url)


def not_sent(method: str, url: str) -> requests.Response:
    """The answer that stands for the network's."""
    seam.say(f"not sent: {method} {url}: the mocked account does not reach the network")
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
