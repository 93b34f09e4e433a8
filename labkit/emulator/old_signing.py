"""S3's addresses of signature version 2 (`AWSAccessKeyId`, `Expires`, `Signature`): boto3 still presigns them.

Rules: S3 user guide, "Signing and authenticating REST requests", for query strings. Nothing here reads a clock.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from labkit.emulator.signing import Credentials

SIGNED_PARTS = frozenset(
    """
    accelerate acl analytics cors delete inventory lifecycle location logging metrics notification object-lock
    partNumber policy replication requestPayment response-cache-control response-content-disposition
    response-content-encoding response-content-language response-content-type response-expires restore select
    select-type storageClass tagging torrent uploadId uploads versionId versioning versions website
    """.split()  # noqa: SIM905 - a list of them is a screen long
)
BUCKET_HOST = re.compile(r"(?!s3\.)([a-z0-9][a-z0-9.-]*?)(?:\.s3(?:\.[a-z0-9-]+)?)?\.localhost(?::\d+)?")


def is_signed(
    method: str, raw_path: bytes, query: bytes, headers: Mapping[bytes, bytes], owner: Credentials, *, now: float
) -> bool:
    """Whether the address is the owner's, for this method, and not out of its time."""
    given = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    pairs = dict(given)
    expires = pairs.get("Expires", "")
    if not expires.isdigit() or len(expires) > 12 or int(expires) < now:
        return False
    fields = {name.decode("latin-1"): value.decode("latin-1").strip() for name, value in headers.items()}
    fields |= {name.lower(): value for name, value in given if name.lower().startswith(("x-amz-", "content-"))}
    if owner.session_token and fields.get("x-amz-security-token") != owner.session_token:
        return False
    text = _signed_text(method, raw_path, fields, given, expires)
    signature = base64.b64encode(hmac.digest(owner.secret_access_key.encode(), text.encode(), "sha1")).decode()
    return hmac.compare_digest(signature, pairs.get("Signature", ""))


def _signed_text(
    method: str, raw_path: bytes, fields: Mapping[str, str], given: list[tuple[str, str]], expires: str
) -> str:
    amazon = [f"{name}:{fields[name]}" for name in sorted(fields) if name.startswith("x-amz-")]
    parts = sorted((name, value) for name, value in given if name in SIGNED_PARTS)
    bucket = BUCKET_HOST.fullmatch(fields.get("host", ""))  # what is signed names it always in the path
    resource = (f"/{bucket[1]}" if bucket else "") + raw_path.decode("latin-1") + ("?" if parts else "")
    resource += "&".join(f"{name}={value}" if value else name for name, value in parts)
    words = [method, fields.get("content-md5", ""), fields.get("content-type", ""), expires, *amazon, resource]
    return "\n".join(words)
