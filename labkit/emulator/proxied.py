"""PURE: requests that jupyter-server-proxy brings from a browser on a hub, with the Host that the hub has for it.

The proxy keeps the browser's Host header, which is not this machine's loopback, and names itself in X-Forwarded-Context
(jupyter_server_proxy/handlers.py, `_build_proxy_request`). Only function URLs and APIs are answered this way: what
they let in is for their AuthType and authorizers to say. On a hub the browser is on another machine than the lab, so
no web page can reach the lab's loopback by rebinding a name; elsewhere there is no prefix, and nothing is let in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

FOR_BROWSERS = re.compile(rb"/(?:lambda-url|_aws/execute-api)/")
Fields = Iterable[tuple[bytes, bytes]]


def came_by_proxy(prefix: str, port: int, path: bytes, headers: Mapping[bytes, bytes]) -> bool:
    """Whether the proxy below `prefix` brought a request to a function URL or an API on this port.

    >>> came_by_proxy("/user/ada/", 80, b"/lambda-url/x/", {b"x-forwarded-context": b"/user/ada/proxy/80"})
    True
    """
    context = f"{prefix}proxy/{port}".encode()
    return bool(prefix) and headers.get(b"x-forwarded-context") == context and bool(FOR_BROWSERS.match(path))


def as_if_local(fields: Fields, port: int) -> list[tuple[bytes, bytes]]:
    """The header fields with this machine's Host; the browser's own is in X-Forwarded-Host."""
    fields = list(fields)
    forwarded = [] if any(name == b"x-forwarded-host" for name, _ in fields) else [b"x-forwarded-host"]
    seen = [value for name, value in fields if name == b"host"]
    others = [(name, value) for name, value in fields if name != b"host"]
    return [(b"host", b"127.0.0.1:%d" % port), *others, *((name, value) for name in forwarded for value in seen)]
