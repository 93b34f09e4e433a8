"""What API Gateway answers by itself, and what an API's owner makes of it."""

from __future__ import annotations

import json

import pytest

from labkit.emulator.apigateway.configuration import GatewayResponse
from labkit.emulator.apigateway.failures import KINDS, Failure, answer
from labkit.emulator.gateway import HttpRequest

REQUEST = HttpRequest("GET", "/", "q=5", (("Origin", "http://here"),), b"")


def answered(failure, **custom):
    return answer(failure, custom, {"requestId": "r1"}, {"v": "1"}, REQUEST)


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"ACCESS_DENIED"}))
def test_every_failure_has_a_body_and_a_type(kind):
    made = answered(Failure(kind))
    assert json.loads(made.body) == {"message": KINDS[kind].message}
    assert dict(made.headers)["x-amzn-errortype"] == KINDS[kind].error_type


def test_a_denial_is_spelt_with_a_capital():
    assert answered(Failure("ACCESS_DENIED")).body == b'{"Message":"User is not authorized to access this resource"}'


def test_a_customised_response_has_its_own_status_headers_and_body():
    custom = GatewayResponse(
        418,
        {
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.X-Origin": "method.request.header.Origin",
            "gatewayresponse.header.X-Id": "context.requestId",
            "gatewayresponse.header.X-Query": "method.request.querystring.q",
        },
        {
            "application/json": '{"m": $context.error.messageString, "t": "$context.error.responseType", "v": "$stageVariables.v"}'
        },
    )
    made = answered(Failure("THROTTLED"), THROTTLED=custom)
    assert made.status == 418
    assert json.loads(made.body) == {"m": "Too Many Requests", "t": "THROTTLED", "v": "1"}
    fields = dict(made.headers)
    assert (fields["Access-Control-Allow-Origin"], fields["X-Origin"], fields["X-Id"]) == ("*", "http://here", "r1")
    assert fields["X-Query"] == "5"


@pytest.mark.parametrize(("kind", "status"), [("INVALID_API_KEY", 403), ("INTEGRATION_TIMEOUT", 504)])
def test_defaults_are_for_all_of_a_class_that_have_none_of_their_own(kind, status):
    made = answered(
        Failure(kind),
        DEFAULT_4XX=GatewayResponse(None, {}, {"text/plain": "four"}),
        DEFAULT_5XX=GatewayResponse(None, {}, {"text/plain": "five"}),
    )
    assert (made.status, made.body) == (status, b"four" if status < 500 else b"five")
