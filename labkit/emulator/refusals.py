"""PURE: how a service of AWS says that somebody may not do something: its words, its code, its protocol.

The sentence is that of the IAM user guide ("Troubleshoot access denied error messages"); who quotes the resource,
writes its action in small letters or has a code of its own was seen in public reports: S3
(usdigitalresponse/usdr-gost 4044), SQS (aws/serverless-application-model 3633), and in API references: SNS's
AuthorizationError, EC2's UnauthorizedOperation.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple
from xml.sax.saxutils import escape

from labkit.emulator.iam import ANY, UNKNOWN, Refusal
from labkit.errors import ServiceError

Headers = Mapping[bytes, bytes]
FORBIDDEN, BAD_REQUEST = 403, 400
REST_XML = frozenset({"cloudfront", "route53"})
# what the errors of a signature are called elsewhere: S3 API reference, "Error responses"; IAM's, "Common errors"
IN_S3 = {
    "InvalidSignatureException": ("SignatureDoesNotMatch", FORBIDDEN),
    "IncompleteSignatureException": ("AuthorizationHeaderMalformed", BAD_REQUEST),
    "UnrecognizedClientException": ("InvalidToken", BAD_REQUEST),
    "ExpiredTokenException": ("ExpiredToken", BAD_REQUEST),
    "RequestExpired": ("AccessDenied", FORBIDDEN),
}
IN_XML = {
    "InvalidSignatureException": ("SignatureDoesNotMatch", FORBIDDEN),
    "IncompleteSignatureException": ("IncompleteSignature", BAD_REQUEST),
    "UnrecognizedClientException": ("InvalidClientTokenId", FORBIDDEN),
    "ExpiredTokenException": ("ExpiredToken", FORBIDDEN),
}


class Reply(NamedTuple):
    """An error, ready to be sent."""

    status: int
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes


def sentence(who: str, action: str, resource: str, refusal: Refusal) -> str:
    """AWS's words.

    >>> sentence("arn:aws:iam::1:user/ada", "s3:PutObject", "arn:aws:s3:::p/k", Refusal.DENIED_BY_IDENTITY)
    'User: arn:aws:iam::1:user/ada is not authorized to perform: s3:PutObject on resource: "arn:aws:s3:::p/k" with an \
explicit deny in an identity-based policy'
    """
    service = action.partition(":")[0]
    shown = {"sqs": action.lower(), "sns": f"SNS:{action.partition(':')[2]}"}.get(service, action)
    on = "" if service == "ec2" else f" on resource: {_resource(service, resource)}"
    if service == "sts" and resource != ANY and not refusal.explicit:
        return f"User: {who} is not authorized to perform: {shown}{on}"
    because = (
        f"with an explicit deny in {refusal.value}"
        if refusal.explicit
        else f"because {refusal.value} the {shown} action"
    )
    said = f"User: {who} is not authorized to perform: {shown}{on} {because}"
    return f"You are not authorized to perform this operation. {said}" if service == "ec2" else said


def _resource(service: str, resource: str) -> str:
    shown = ANY if resource == UNKNOWN else resource
    return f'"{shown}"' if service == "s3" and shown != ANY else shown


def denied(service: str, headers: Headers, message: str) -> Reply:
    """AccessDenied, as the service that was asked calls it."""
    if service == "s3" or _is_xml(service, headers):
        code = {"sns": "AuthorizationError", "ec2": "UnauthorizedOperation"}.get(service, "AccessDenied")
        return reply(service, headers, FORBIDDEN, code, message)
    found = reply(service, headers, _in_json(service, headers, FORBIDDEN), "AccessDeniedException", message)
    if service == "sqs":  # its clients still look for the name that the query protocol had
        return found._replace(fields=(*found.fields, (b"x-amzn-query-error", b"AccessDenied;Sender")))
    return found


def unsigned(service: str, headers: Headers, error: ServiceError) -> Reply:
    """What is wrong with a request's signature or its body, as the service that was asked calls it."""
    if service == "s3" or _is_xml(service, headers):
        names = IN_S3 if service == "s3" else IN_XML
        code, status = names.get(error.code, (error.code, error.status))
    else:
        code, status = error.code, _in_json(service, headers, error.status)
    return reply(service, headers, status, code, error.message)


def reply(service: str, headers: Headers, status: int, code: str, message: str) -> Reply:
    """An error in the protocol that a request speaks: a client reads no other."""
    if service == "s3":
        text = f"<Error><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        return _reply(status, b"application/xml", code, f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode())
    if _is_xml(service, headers):
        error = f"<Code>{code}</Code><Message>{escape(message)}</Message>"
        if service == "ec2":
            text = f"<Response><Errors><Error>{error}</Error></Errors></Response>"
        else:
            text = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error></ErrorResponse>"
        return _reply(status, b"text/xml", code, text.encode())
    if b"cbor" in headers.get(b"smithy-protocol", b"") or b"cbor" in headers.get(b"content-type", b""):
        found = _reply(status, b"application/cbor", code, cbor({"__type": code, "message": message}))
        return found._replace(fields=(*found.fields, (b"smithy-protocol", b"rpc-v2-cbor")))
    kind = b"application/x-amz-json-1.1" if b"x-amz-target" in headers else b"application/json"
    return _reply(status, kind, code, json.dumps({"__type": code, "message": message, "Message": message}).encode())


def _in_json(service: str, headers: Headers, status: int) -> int:
    """The protocols that name their operation in a header know no 403."""
    return BAD_REQUEST if status == FORBIDDEN and b"x-amz-target" in headers and service != "sqs" else status


def _is_xml(service: str, headers: Headers) -> bool:
    """Whether it speaks the query protocol, or XML as these do."""
    return service in REST_XML or headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded")


def _reply(status: int, kind: bytes, code: str, body: bytes) -> Reply:
    return Reply(status, ((b"content-type", kind), (b"x-amzn-errortype", code.encode())), body)


def cbor(texts: Mapping[str, str]) -> bytes:
    """A small map of texts in CBOR (RFC 8949).

    >>> cbor({"a": "b"}).hex()
    'a161616162'
    """
    return bytes([0xA0 | len(texts)]) + b"".join(_cbor_text(text) for pair in texts.items() for text in pair)


def _cbor_text(text: str) -> bytes:
    data = text.encode()
    if len(data) < 24:
        return bytes([0x60 | len(data)]) + data
    return b"\x79" + len(data).to_bytes(2) + data
