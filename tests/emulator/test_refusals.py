"""How services say no; what botocore reads of it."""

from __future__ import annotations

import pytest
from botocore.parsers import create_parser
from botocore.session import get_session

from labkit.emulator.iam import UNKNOWN, Refusal
from labkit.emulator.refusals import cbor, denied, sentence, unsigned
from labkit.errors import ContentMismatch, ExpiredToken, InvalidSignature, UnrecognizedClient

ADA = "arn:aws:iam::123456789012:user/ada"
FORM = {b"content-type": b"application/x-www-form-urlencoded; charset=utf-8"}
JSON = {b"x-amz-target": b"X.Y", b"content-type": b"application/x-amz-json-1.0"}
CBOR = {b"smithy-protocol": b"rpc-v2-cbor", b"content-type": b"application/cbor"}


@pytest.mark.parametrize(
    ("action", "resource", "refusal", "said"),
    [
        (
            "s3:PutObject",
            "arn:aws:s3:::p/k",
            Refusal.IDENTITY,
            's3:PutObject on resource: "arn:aws:s3:::p/k" because no identity-based policy allows the s3:PutObject action',
        ),
        (
            "sqs:SendMessage",
            "arn:q",
            Refusal.IDENTITY,
            "sqs:sendmessage on resource: arn:q because no identity-based policy allows the sqs:sendmessage action",
        ),
        (
            "sns:Publish",
            "arn:t",
            Refusal.SESSION,
            "SNS:Publish on resource: arn:t because no session policy allows the SNS:Publish action",
        ),
        (
            "kms:Decrypt",
            "arn:k",
            Refusal.BOUNDARY,
            "kms:Decrypt on resource: arn:k because no permissions boundary allows",
        ),
        (
            "dynamodb:GetItem",
            "arn:t",
            Refusal.DENIED_BY_IDENTITY,
            "dynamodb:GetItem on resource: arn:t with an explicit deny in an identity-based policy",
        ),
        ("glue:GetJob", UNKNOWN, Refusal.IDENTITY, "glue:GetJob on resource: * because"),
    ],
)
def test_the_sentence_is_awss(action, resource, refusal, said):
    assert sentence(ADA, action, resource, refusal).startswith(f"User: {ADA} is not authorized to perform: {said}")


@pytest.mark.parametrize(
    ("service", "headers", "protocol", "code", "status"),
    [
        ("s3", {}, "rest-xml", "AccessDenied", 403),
        ("sns", FORM, "query", "AuthorizationError", 403),
        ("iam", FORM, "query", "AccessDenied", 403),
        ("ec2", FORM, "ec2", "UnauthorizedOperation", 403),
        ("dynamodb", JSON, "json", "AccessDeniedException", 400),
        ("cloudwatch", CBOR, "smithy-rpc-v2-cbor", "AccessDeniedException", 403),
        ("scheduler", {}, "rest-json", "AccessDeniedException", 403),
    ],
)
def test_botocore_reads_code_and_words_in_every_protocol(service, headers, protocol, code, status):
    message = "User: é <you> is not authorized" + " x" * 40
    assert read(denied(service, headers, message), service, protocol) == (code, status, message)


@pytest.mark.parametrize(
    ("service", "headers", "protocol", "error", "code", "status"),
    [
        ("s3", {}, "rest-xml", InvalidSignature(), "SignatureDoesNotMatch", 403),
        ("s3", {}, "rest-xml", UnrecognizedClient(), "InvalidToken", 400),
        ("s3", {}, "rest-xml", ContentMismatch(), "XAmzContentSHA256Mismatch", 400),
        ("route53", {}, "rest-xml", InvalidSignature(), "SignatureDoesNotMatch", 403),
        ("iam", FORM, "query", InvalidSignature(), "SignatureDoesNotMatch", 403),
        ("sts", FORM, "query", ExpiredToken(), "ExpiredToken", 403),
        ("ec2", FORM, "ec2", InvalidSignature(), "SignatureDoesNotMatch", 403),
        ("dynamodb", JSON, "json", InvalidSignature(), "InvalidSignatureException", 400),
        ("sqs", JSON, "json", InvalidSignature(), "InvalidSignatureException", 403),
        ("cloudwatch", CBOR, "smithy-rpc-v2-cbor", InvalidSignature(), "InvalidSignatureException", 403),
        ("scheduler", {}, "rest-json", UnrecognizedClient(), "UnrecognizedClientException", 403),
    ],
)
def test_what_is_wrong_with_a_signature_has_each_protocols_own_name(service, headers, protocol, error, code, status):
    assert read(unsigned(service, headers, error), service, protocol) == (code, status, error.message)


def read(reply, service, protocol):
    """Code, status and words, as botocore reads them."""
    fields = {name.decode(): value.decode() for name, value in reply.fields}
    model = get_session().get_service_model(service)
    shape = model.operation_model(model.operation_names[0]).output_shape
    answer = {"body": reply.body, "headers": fields, "status_code": reply.status}
    error = create_parser(protocol).parse(answer, shape)["Error"]
    return error["Code"], reply.status, error["Message"]


def test_a_small_map_in_cbor():
    assert cbor({"a": "b" * 30})[:4] == b"\xa1\x61a\x79"
