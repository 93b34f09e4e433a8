"""The way from moto's process to the emulator that started it: clients of its endpoint, with the lab's credentials.

The emulator says where it is by AWS's own variables (AWS_ENDPOINT_URL, AWS_DEFAULT_REGION, and the keys). All
services are reached through it, those of moto too: so whoever watches what passes the front door sees these calls.
"""

from __future__ import annotations

import http.client
import os
import threading
from typing import Any
from urllib.parse import urlsplit

# a user's profiles say nothing about the lab
NO_FILES = {
    "profile": (None, None, None, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}
OK = 200
LONGEST_CALL_S = 960  # a function runs 900 s at most

_clients: dict[tuple[str, str], Any] = {}
_making = threading.Lock()


class NoEmulator(Exception):
    """This process was started by nobody who would run functions."""


def address() -> tuple[str, int] | None:
    """Host and port of the emulator, if there is one."""
    parts = urlsplit(os.environ.get("AWS_ENDPOINT_URL", ""))
    return (parts.hostname, parts.port) if parts.hostname and parts.port else None


def client(service: str, region: str) -> Any:
    """A botocore client of the emulator. One for all threads. Raises NoEmulator."""
    if address() is None:
        raise NoEmulator("moto's process does not know the emulator's address")
    with _making:
        if (service, region) not in _clients:
            _clients[service, region] = _made(service, region)
        return _clients[service, region]


def _made(service: str, region: str) -> Any:
    import botocore.session  # a cold path: most labs never come here
    from botocore.config import Config

    return botocore.session.Session(session_vars=NO_FILES).create_client(
        service,
        region_name=region,
        endpoint_url=os.environ["AWS_ENDPOINT_URL"],
        aws_access_key_id=os.environ["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        config=Config(
            parameter_validation=False,
            retries={"total_max_attempts": 1},
            connect_timeout=5,
            read_timeout=LONGEST_CALL_S,
            max_pool_connections=100,
            proxies={},
            s3={"addressing_style": "path"},
        ),
    )


def post(path: str) -> None:
    """A request of one of the emulator's own pages. Raises NoEmulator, and OSError if it does not answer well."""
    from botocore.auth import SigV4Auth  # a cold path, as above
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    found = address()
    if found is None:
        raise NoEmulator("moto's process does not know the emulator's address")
    request = AWSRequest("POST", f"{os.environ['AWS_ENDPOINT_URL']}{path}", data=b"")
    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, "lambda", os.environ["AWS_DEFAULT_REGION"]).add_auth(request)
    connection = http.client.HTTPConnection(*found, timeout=30)
    try:
        connection.request("POST", path, body=b"", headers=dict(request.headers))
        status = connection.getresponse().status
    finally:
        connection.close()
    if status != OK:
        raise OSError(f"the emulator answered {status} to {path}")
