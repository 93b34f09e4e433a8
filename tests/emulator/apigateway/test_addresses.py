"""Which requests are for an API."""

from __future__ import annotations

import pytest

from labkit.emulator.apigateway.addresses import Address, address_of, api_of_change, split_stage

HERE = b"127.0.0.1:4566"


@pytest.mark.parametrize(
    ("path", "host", "address"),
    [
        (b"/_aws/execute-api/abc/prod/a%2Fb", HERE, Address("abc", "/prod/a%2Fb")),
        (b"/_aws/execute-api/abc", HERE, Address("abc", "/")),
        (b"/restapis/abc/prod/_user_request_/x/y", HERE, Address("abc", "/prod/x/y")),
        (b"/restapis/abc/prod/_user_request_", HERE, Address("abc", "/prod/")),
        (b"/prod/x", b"abc.execute-api.localhost:4566", Address("abc", "/prod/x")),
        (b"/prod/x", b"ABC.execute-api.eu-west-1.localhost", Address("abc", "/prod/x", "eu-west-1")),
    ],
)
def test_each_form_of_an_address_is_known(path, host, address):
    assert address_of(path, host) == address


@pytest.mark.parametrize(
    ("path", "host"),
    [
        (b"/restapis/abc/stages/prod", HERE),
        (b"/restapis", HERE),
        (b"/restapis/abc/prod/user_request/x", HERE),
        (b"/2015-03-31/functions/f/invocations", HERE),
        (b"/_aws/execute-api/", HERE),
        (b"/x", b"execute-api.localhost"),
        (b"/x", b"abc.execute-api.example.com"),
    ],
)
def test_the_control_plane_and_everything_else_is_not_ours(path, host):
    assert address_of(path, host) is None


@pytest.mark.parametrize(
    ("path", "parts"), [("/", ("", "/")), ("/prod", ("prod", "/")), ("/prod//a/", ("prod", "//a/"))]
)
def test_the_stage_is_the_first_segment(path, parts):
    assert split_stage(path) == parts


@pytest.mark.parametrize(
    ("path", "api_id"),
    [("/restapis/abc/deployments", "abc"), ("/v2/apis/xyz/routes", "xyz"), ("/restapis", ""), ("/usageplans/p", "")],
)
def test_a_change_names_its_api(path, api_id):
    assert api_of_change(path) == api_id
