"""Calls to one endpoint: AWS's API by boto3, labkit's own pages by HTTP. Translates their errors into labkit's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any

from labkit.errors import DeployFailed, EmulatorLost, LabkitError, UnknownFunction
from labkit.model import InitPhases, Status, Trace
from labkit.settings import Settings

ATTACHING = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to what `labkit serve` printed when it started."
CALLING = "Nothing was run; correct what the message names and call it again."
LONGEST_CALL_S = 910  # Lambda's longest timeout, and some


class Endpoint:
    """An address and the clients for it, made on first use (boto3 takes 0.3 s to import)."""

    def __init__(self, url: str, settings: Settings) -> None:
        self.url = url
        self._settings = settings
        self._clients: dict[str, Any] = {}
        self._http: Any = None

    @cached_property
    def connection(self) -> dict[str, str]:
        """Address, region and credentials, by boto3's names: the settings' credentials, else those boto3 finds."""
        return {"endpoint_url": self.url, "region_name": self._settings.region, **self._credentials()}

    def _credentials(self) -> dict[str, str]:
        known = self._settings
        if known.access_key_id:
            return {
                "aws_access_key_id": known.access_key_id,
                "aws_secret_access_key": known.secret_access_key,
            }
        import boto3

        found = boto3.Session().get_credentials()
        if found is None:  # good enough for an emulator that does not look
            return {"aws_access_key_id": "labkit", "aws_secret_access_key": "labkit"}
        token = {"aws_session_token": found.token} if found.token else {}
        return {"aws_access_key_id": found.access_key, "aws_secret_access_key": found.secret_key, **token}

    def boto3(self, service: str) -> Any:
        """A boto3 client for this endpoint. It never repeats a call by itself: a throttle is to be seen."""
        if service not in self._clients:
            import boto3  # a cold path
            from botocore.config import Config

            self._clients[service] = boto3.client(
                service,
                **self.connection,
                config=Config(
                    retries={"total_max_attempts": 1},
                    read_timeout=LONGEST_CALL_S,
                    connect_timeout=5,
                    max_pool_connections=100,
                    proxies={},
                    inject_host_prefix=False,  # sync-127.0.0.1 is nobody's address
                    parameter_validation=False,  # the endpoint's own words are the ones to learn
                ),
            )
        return self._clients[service]

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """One operation of the Lambda API, by its boto3 name. Raises LabkitError."""
        import botocore.exceptions as wrong

        try:
            answer: dict[str, Any] = getattr(self.boto3("lambda"), operation)(**params)
        except wrong.ClientError as error:
            raise ApiError(error.response, operation) from None
        except wrong.EndpointConnectionError:
            raise NotReached(f"{self.url} does not answer.") from None
        except (wrong.HTTPClientError, wrong.ConnectionError) as error:
            raise EmulatorLost(f"{self.url} does not answer: {type(error).__name__}.") from None
        return answer

    def change(self, operation: str, **params: Any) -> None:
        """Creates or updates a function and waits until that is done: until then it takes no call and no change."""
        self.call(operation, **params)
        waiter = "function_active_v2" if operation == "create_function" else "function_updated_v2"
        self.boto3("lambda").get_waiter(waiter).wait(FunctionName=params["FunctionName"])

    def page(self, path: str, *, method: str = "GET") -> Any:
        """One of labkit's own pages, decoded; None if there is no such thing."""
        import urllib3  # comes with boto3

        if self._http is None:
            self._http = urllib3.PoolManager(maxsize=16, retries=False)
        url = f"{self.url}{path}" if path.startswith("/") else f"{self.url}/_labkit/{path}"
        try:
            answer = self._http.request(method, url, headers=self._signed(method, url))
        except urllib3.exceptions.NewConnectionError:
            raise NotReached(f"{self.url} does not answer.") from None
        except urllib3.exceptions.HTTPError as error:
            raise EmulatorLost(f"{self.url} does not answer: {type(error).__name__}.") from None
        if answer.status == 403:
            raise EmulatorLost(f"{self.url} refuses these credentials.", hint=ATTACHING)
        return json.loads(answer.data) if answer.status == 200 else None

    def _signed(self, method: str, url: str) -> dict[str, str]:
        """The headers of a request to one of labkit's own pages, which are signed as the API's are."""
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        known = self.connection
        credentials = Credentials(
            known["aws_access_key_id"], known["aws_secret_access_key"], known.get("aws_session_token")
        )
        request = AWSRequest(method, url)
        SigV4Auth(credentials, "lambda", self._settings.region).add_auth(request)
        return dict(request.headers)

    def close(self) -> None:
        for client in self._clients.values():
            client.close()
        if self._http:
            self._http.clear()


class NotReached(EmulatorLost):
    """Nobody listens there, so nothing was sent: the call can safely be repeated."""


class ApiError(DeployFailed):
    """An error answer: `code` is AWS's name, `reason` what a throttle names."""

    def __init__(self, response: Mapping[str, Any], operation: str = "") -> None:
        said = response.get("Error", {})
        refused = response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 403
        self.code: str = said.get("Code", "")
        self.reason: str = response.get("Reason", "")
        super().__init__(
            f"{self.code}: {said.get('Message', '')}",
            hint=ATTACHING if refused else CALLING if operation == "invoke" else None,
        )

    def about(self, name: str, deployed: list[str]) -> LabkitError:
        """The same, in terms of the function that was meant."""
        return UnknownFunction(name, deployed) if self.code == "ResourceNotFoundException" else self


def trace_of(plain: Mapping[str, Any] | None) -> Trace | None:
    """The record of labkit's page."""
    if plain is None:
        return None
    fields = dict(plain)
    fields["status"] = Status(fields["status"])
    if fields.get("phases"):
        phases = dict(fields["phases"])
        phases["imports"] = tuple((name, seconds) for name, seconds in phases["imports"])
        fields["phases"] = InitPhases(**phases)
    return Trace(**fields)
