"""AuthorizationType AWS_IAM: whether a request to an API is signed for `execute-api`, and by whom.

The account's own credentials may call what it owns; policies of IAM are another part's. Words: signature version 4 of
`signing`, in the gateway responses' form.
"""

from __future__ import annotations

import re
import time
from typing import Any
from urllib.parse import parse_qsl

from labkit.emulator.apigateway.calls import Visit
from labkit.emulator.apigateway.failures import Failure
from labkit.emulator.signing import Verifier
from labkit.errors import MissingAuthenticationToken, ServiceError

CREDENTIAL = re.compile(r"Credential=([^/,\s]+)/")


class Signatures:
    """See the module's docstring. Without a verifier (`--unsigned`) nobody can be known."""

    def __init__(self, verifier: Verifier | None) -> None:
        self._verifier = verifier

    def check(self, visit: Visit) -> str:
        """The key that signed. Raises ServiceError."""
        if self._verifier is None:
            raise MissingAuthenticationToken
        scope = visit.scope
        body = visit.request.body
        self._verifier.check(
            scope["method"], scope["raw_path"], scope["query_string"], scope["headers"], body, time.time()
        )
        found = CREDENTIAL.search(visit.request.header("authorization"))
        presigned = dict(parse_qsl(visit.request.query)).get("X-Amz-Credential", "").partition("/")[0]
        return found[1] if found else presigned

    def identity(self, visit: Visit) -> dict[str, Any]:
        """What `requestContext.identity` says of who signed. Raises Failure."""
        try:
            key = self.check(visit)
        except MissingAuthenticationToken:
            raise Failure("MISSING_AUTHENTICATION_TOKEN") from None
        except ServiceError as error:
            raise Failure("INVALID_SIGNATURE", str(error)) from None
        account = visit.account_id
        return {
            "accessKey": key,
            "accountId": account,
            "caller": account,
            "user": account,
            "userArn": f"arn:aws:iam::{account}:root",
        }
