"""What jupyter-server-proxy brings, and what only claims to come from it."""

from __future__ import annotations

import pytest

from labkit.emulator.proxied import as_if_local, came_by_proxy

BROUGHT = {b"x-forwarded-context": b"/user/ada/proxy/80", b"host": b"hub.example.org"}


@pytest.mark.parametrize("path", [b"/lambda-url/abc/", b"/_aws/execute-api/abc/prod/x"])
def test_a_function_url_and_an_api_are_for_browsers(path):
    assert came_by_proxy("/user/ada/", 80, path, BROUGHT)


@pytest.mark.parametrize(
    ("prefix", "port", "path", "headers"),
    [
        ("", 80, b"/lambda-url/abc/", BROUGHT),  # no hub
        ("", 80, b"/lambda-url/abc/", {b"x-forwarded-context": b"proxy/80"}),
        ("/user/bob/", 80, b"/lambda-url/abc/", BROUGHT),
        ("/user/ada/", 81, b"/lambda-url/abc/", BROUGHT),
        ("/user/ada/", 80, b"/lambda-url/abc/", {}),
        ("/user/ada/", 80, b"/2015-03-31/functions/f/invocations", BROUGHT),
        ("/user/ada/", 80, b"/_labkit/status", BROUGHT),
        ("/user/ada/", 80, b"/", BROUGHT),
        ("/user/ada/", None, b"/lambda-url/abc/", BROUGHT),  # a UNIX socket
    ],
)
def test_everything_else_is_not(prefix, port, path, headers):
    assert not came_by_proxy(prefix, port, path, headers)


def test_the_handler_sees_this_machines_host_and_the_browsers_beside_it():
    fields = [(b"host", b"hub.example.org"), (b"accept", b"a"), (b"accept", b"b")]
    local = [(b"host", b"127.0.0.1:80"), (b"accept", b"a"), (b"accept", b"b")]
    assert as_if_local(fields, 80) == [*local, (b"x-forwarded-host", b"hub.example.org")]
    assert as_if_local([*fields, (b"x-forwarded-host", b"hub")], 80) == [*local, (b"x-forwarded-host", b"hub")]
