"""PURE: which API a request is for. Imported at the emulator's start, so nothing heavy here.

Three forms: `/_aws/execute-api/API_ID/STAGE/...`, the host `API_ID.execute-api.localhost` (also with a region before
`localhost`, as on AWS), and LocalStack's `/restapis/API_ID/STAGE/_user_request_/...`, which is no path of the control
plane. Whether the first segment is a stage is for the API to say: an HTTP API may have the stage `$default`.
"""

from __future__ import annotations

import re
from typing import NamedTuple

NAME = r"[A-Za-z0-9_-]+"
OWN = re.compile(rf"/_aws/execute-api/({NAME})(/.*)?", re.DOTALL)
USER_REQUEST = re.compile(rf"/restapis/({NAME})/([^/]+)/_user_request_(/.*)?", re.DOTALL)
HOST = re.compile(rf"({NAME})\.execute-api(?:\.([a-z0-9-]+))?\.localhost(?:\.localstack\.cloud)?(?::\d+)?", re.ASCII)

CHANGE = re.compile(r"/(?:restapis|v2/apis)/([^/]+)")


class Address(NamedTuple):
    """`path` begins with the stage, if there is one in it, and is as it was sent; `region` only if the host says it."""

    api_id: str
    path: str
    region: str = ""


def address_of(raw_path: bytes, host: bytes) -> Address | None:
    """The API that a request is for, or None.

    >>> address_of(b"/_aws/execute-api/abc/prod/items/1", b"127.0.0.1:4566")
    Address(api_id='abc', path='/prod/items/1', region='')
    """
    if b".execute-api." in host and (found := HOST.fullmatch(host.decode("latin-1").lower())):
        return Address(found[1], raw_path.decode("latin-1"), found[2] or "")
    if raw_path.startswith(b"/_aws/execute-api/") and (found := OWN.fullmatch(raw_path.decode("latin-1"))):
        return Address(found[1], found[2] or "/")
    if raw_path.startswith(b"/restapis/") and (found := USER_REQUEST.fullmatch(raw_path.decode("latin-1"))):
        return Address(found[1], f"/{found[2]}{found[3] or '/'}")
    return None


def split_stage(path: str) -> tuple[str, str]:
    """The first segment, and the rest of the path.

    >>> split_stage("/prod//a/")
    ('prod', '//a/')
    """
    stage, slash, rest = path.removeprefix("/").partition("/")
    return stage, slash + rest or "/"


def api_of_change(path: str) -> str:
    """The API that a request of the control plane changes; empty for what belongs to none."""
    found = CHANGE.match(path)
    return found[1] if found else ""
