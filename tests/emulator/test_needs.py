"""Which permissions a request needs, by service."""

from __future__ import annotations

import base64
import json
from urllib.parse import urlencode

import pytest

from labkit.emulator.iam import ANY, UNKNOWN
from labkit.emulator.needs import ServiceRequest, lambda_needs, needs
from labkit.emulator.needs_s3 import s3_needs

ACCOUNT = "123456789012"


def request(service, *, method="POST", path=b"/", query="", headers=None, body=b""):
    return ServiceRequest(service, "eu-west-1", ACCOUNT, method, path, query, headers or {}, body)


def by_target(service, target, **params):
    return request(service, headers={b"x-amz-target": target.encode()}, body=json.dumps(params).encode())


def by_form(service, **params):
    headers = {b"content-type": b"application/x-www-form-urlencoded; charset=utf-8"}
    return request(service, headers=headers, body=urlencode(params).encode())


def found(request, rest=""):
    return [(need.action, need.resource) for need in needs(request, rest)]


QUEUE = "http://127.0.0.1:4566/123456789012/jobs"


@pytest.mark.parametrize(
    ("asked", "action", "resource"),
    [
        (
            by_target("sqs", "AmazonSQS.SendMessage", QueueUrl=QUEUE),
            "sqs:SendMessage",
            "sqs:eu-west-1:123456789012:jobs",
        ),
        (
            by_target("sqs", "AmazonSQS.DeleteMessageBatch", QueueUrl=QUEUE),
            "sqs:DeleteMessage",
            "sqs:eu-west-1:123456789012:jobs",
        ),
        (by_form("sqs", Action="SendMessage", QueueUrl=QUEUE), "sqs:SendMessage", "sqs:eu-west-1:123456789012:jobs"),
        (by_form("sns", Action="Publish", TopicArn="arn:aws:sns:x:1:t"), "sns:Publish", "sns:x:1:t"),
        (by_form("sns", Action="Unsubscribe", SubscriptionArn="arn:aws:sns:x:1:t:9"), "sns:Unsubscribe", "sns:x:1:t"),
        (
            by_target("dynamodb", "DynamoDB_20120810.Query", TableName="t", IndexName="i"),
            "dynamodb:Query",
            "dynamodb:eu-west-1:123456789012:table/t/index/i",
        ),
        (
            by_target("logs", "Logs_20140328.PutLogEvents", logGroupName="/aws/lambda/f", logStreamName="s"),
            "logs:PutLogEvents",
            "logs:eu-west-1:123456789012:log-group:/aws/lambda/f:log-stream:s",
        ),
        (
            by_target("ssm", "AmazonSSM.GetParameter", Name="/app/db"),
            "ssm:GetParameter",
            "ssm:eu-west-1:123456789012:parameter/app/db",
        ),
        (
            by_target("events", "AWSEvents.PutRule", Name="nightly", EventBusName="shop"),
            "events:PutRule",
            "events:eu-west-1:123456789012:rule/shop/nightly",
        ),
        (
            by_target("events", "AWSEvents.PutEvents", Entries=[{"Source": "a"}]),
            "events:PutEvents",
            "events:eu-west-1:123456789012:event-bus/default",
        ),
        (
            by_target("states", "AWSStepFunctions.StartExecution", stateMachineArn="arn:aws:states:x:1:stateMachine:m"),
            "states:StartExecution",
            "states:x:1:stateMachine:m",
        ),
        (
            by_target("kinesis", "Kinesis_20131202.PutRecord", StreamName="s"),
            "kinesis:PutRecord",
            "kinesis:eu-west-1:123456789012:stream/s",
        ),
        (
            by_target("kms", "TrentService.Encrypt", KeyId="alias/app"),
            "kms:Encrypt",
            "kms:eu-west-1:123456789012:alias/app",
        ),
        (
            by_target("kms", "TrentService.Decrypt", CiphertextBlob=base64.b64encode(b"k" * 36 + b"rest").decode()),
            "kms:Decrypt",
            f"kms:eu-west-1:123456789012:key/{'k' * 36}",
        ),
        (
            by_target("secretsmanager", "secretsmanager.GetSecretValue", SecretId="db"),
            "secretsmanager:GetSecretValue",
            "secretsmanager:eu-west-1:123456789012:secret:db",
        ),
        (by_form("iam", Action="GetRole", RoleName="r"), "iam:GetRole", "iam::123456789012:role/r"),
        (
            by_form("sts", Action="AssumeRole", RoleArn="arn:aws:iam::123456789012:role/r"),
            "sts:AssumeRole",
            "iam::123456789012:role/r",
        ),
        (
            request("apigateway", method="GET", path=b"/restapis/a1"),
            "apigateway:GET",
            "apigateway:eu-west-1::/restapis/a1",
        ),
    ],
)
def test_an_operation_is_about_its_resource(asked, action, resource):
    assert found(asked) == [(action, f"arn:aws:{resource}")]


@pytest.mark.parametrize(
    ("asked", "rest", "expected"),
    [
        (by_target("dynamodb", "DynamoDB_20120810.ListTables"), "", ("dynamodb:ListTables", ANY)),
        (by_target("sqs", "AmazonSQS.ListQueues"), "", ("sqs:ListQueues", ANY)),
        (request("monitoring", path=b"/service/x/operation/PutMetricData"), "", ("cloudwatch:PutMetricData", ANY)),
        (request("xray"), "PutTraceSegments", ("xray:PutTraceSegments", ANY)),
        (by_target("cognito-idp", "X.AdminGetUser", UserPoolId="p"), "", ("cognito-idp:AdminGetUser", UNKNOWN)),
    ],
)
def test_an_operation_without_a_resource_is_about_all_and_of_a_strange_service_about_nobody_knows(
    asked, rest, expected
):
    assert found(asked, rest) == [expected]


def test_each_part_of_a_transaction_needs_its_own_permission():
    items = [{"Put": {"TableName": "a"}}, {"ConditionCheck": {"TableName": "b"}}]
    table = "arn:aws:dynamodb:eu-west-1:123456789012:table/"
    assert found(by_target("dynamodb", "DynamoDB_20120810.TransactWriteItems", TransactItems=items)) == [
        ("dynamodb:PutItem", f"{table}a"),
        ("dynamodb:ConditionCheckItem", f"{table}b"),
    ]


@pytest.mark.parametrize(
    ("text", "action"),
    [
        ("SELECT a, b FROM \"t\" WHERE a='from x'", "PartiQLSelect"),
        ("INSERT INTO t value {'a': 1}", "PartiQLInsert"),
        ('update "t" SET a=1 WHERE b=2', "PartiQLUpdate"),
        ("DELETE FROM t WHERE a=1", "PartiQLDelete"),
    ],
)
def test_partiql_says_what_it_does(text, action):
    asked = by_target("dynamodb", "DynamoDB_20120810.ExecuteStatement", Statement=text)
    assert found(asked) == [(f"dynamodb:{action}", "arn:aws:dynamodb:eu-west-1:123456789012:table/t")]


BUCKET = "arn:aws:s3:::photos"


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "expected"),
    [
        ("GET", b"/", "", {}, [("s3:ListAllMyBuckets", ANY)]),
        ("GET", b"/photos", "list-type=2&prefix=a%2F", {}, [("s3:ListBucket", BUCKET)]),
        ("HEAD", b"/photos", "", {}, [("s3:ListBucket", BUCKET)]),
        ("PUT", b"/photos", "", {}, [("s3:CreateBucket", BUCKET)]),
        ("PUT", b"/photos", "versioning", {}, [("s3:PutBucketVersioning", BUCKET)]),
        ("DELETE", b"/photos", "policy", {}, [("s3:DeleteBucketPolicy", BUCKET)]),
        ("GET", b"/photos/a%20b/c", "", {}, [("s3:GetObject", f"{BUCKET}/a b/c")]),
        ("HEAD", b"/photos/k", "", {}, [("s3:GetObject", f"{BUCKET}/k")]),
        ("GET", b"/photos/k", "versionId=1", {}, [("s3:GetObjectVersion", f"{BUCKET}/k")]),
        ("GET", b"/photos/k", "tagging", {}, [("s3:GetObjectTagging", f"{BUCKET}/k")]),
        ("PUT", b"/photos/k", "partNumber=1&uploadId=2", {}, [("s3:PutObject", f"{BUCKET}/k")]),
        ("POST", b"/photos/k", "uploads", {}, [("s3:PutObject", f"{BUCKET}/k")]),
        ("DELETE", b"/photos/k", "uploadId=2", {}, [("s3:AbortMultipartUpload", f"{BUCKET}/k")]),
        ("DELETE", b"/photos/k", "", {}, [("s3:DeleteObject", f"{BUCKET}/k")]),
        ("PUT", b"/k", "", {b"host": b"photos.s3.localhost:4566"}, [("s3:PutObject", f"{BUCKET}/k")]),
        ("PUT", b"/photos/k", "", {b"host": b"localhost:4566"}, [("s3:PutObject", f"{BUCKET}/k")]),
        ("PUT", b"/photos/k", "", {b"host": b"127.0.0.1:4566"}, [("s3:PutObject", f"{BUCKET}/k")]),
        ("PUT", b"/photos/k", "", {b"host": b"[::1]:4566"}, [("s3:PutObject", f"{BUCKET}/k")]),
        ("PUT", b"/k", "", {b"host": b"www.photos.x.localhost"}, [("s3:PutObject", f"{BUCKET}/k")]),
        ("GET", b"//photos/k", "", {}, [("s3:GetObject", f"{BUCKET}/k")]),
        (
            "PUT",
            b"/photos/k",
            "",
            {b"x-amz-acl": b"public-read"},
            [("s3:PutObject", f"{BUCKET}/k"), ("s3:PutObjectAcl", f"{BUCKET}/k")],
        ),
        (
            "PUT",
            b"/photos/k",
            "",
            {b"x-amz-copy-source": b"/other/x%20y"},
            [("s3:PutObject", f"{BUCKET}/k"), ("s3:GetObject", "arn:aws:s3:::other/x y")],
        ),
        (
            "PUT",
            b"/photos/k",
            "",
            {b"x-amz-server-side-encryption": b"aws:kms", b"x-amz-server-side-encryption-aws-kms-key-id": b"id"},
            [("s3:PutObject", f"{BUCKET}/k"), ("kms:GenerateDataKey", "arn:aws:kms:eu-west-1:123456789012:key/id")],
        ),
    ],
)
def test_what_a_request_of_s3_needs(method, path, query, headers, expected):
    asked = request("s3", method=method, path=path, query=query, headers=headers)
    assert [(need.action, need.resource) for need in s3_needs(asked)] == expected


def test_a_deletion_of_several_objects_is_about_each_of_them():
    body = b'<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Object><Key>a</Key></Object><Object><Key>b</Key></Object></Delete>'
    asked = request("s3", path=b"/photos", query="delete", body=body)
    assert [need.resource for need in s3_needs(asked)] == [f"{BUCKET}/a", f"{BUCKET}/b"]


def test_a_list_tells_its_prefix_to_conditions():
    asked = request("s3", method="GET", path=b"/photos", query="list-type=2&prefix=home%2Fada%2F")
    assert s3_needs(asked)[0].context == {"s3:prefix": ["home/ada/"]}


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[1]", b'{"QueueUrl": 5}', b"[" * 100_000])
def test_a_body_that_is_none_is_no_fault(body):
    headers = {b"x-amz-target": b"AmazonSQS.SendMessage"}
    assert found(request("sqs", headers=headers, body=body)) == [("sqs:SendMessage", UNKNOWN)]


def test_a_request_that_names_two_operations_needs_the_permissions_of_both():
    headers = {b"x-amz-target": b"AmazonSQS.GetQueueUrl", b"content-type": b"application/x-www-form-urlencoded"}
    asked = request("sqs", headers=headers, query="Action=PurgeQueue", body=b"Action=DeleteQueue&Action=ListQueues")
    wanted = {action for action, _ in found(asked)}
    assert wanted == {"sqs:GetQueueUrl", "sqs:DeleteQueue", "sqs:ListQueues", "sqs:PurgeQueue"}


NAME = "arn:aws:lambda:us-west-2:999999999999:function:f"


@pytest.mark.parametrize(
    ("operation", "uri", "query", "body", "expected"),
    [
        ("Invoke", {"FunctionName": "f"}, "", {}, [("lambda:InvokeFunction", "function:f")]),
        ("Invoke", {"FunctionName": NAME}, "", {}, [("lambda:InvokeFunction", "function:f")]),
        ("Invoke", {"FunctionName": "f:1"}, "Qualifier=1", {}, [("lambda:InvokeFunction", "function:f:1")]),
        ("Invoke", {"FunctionName": "f"}, "Qualifier=a&Qualifier=b", {}, [("lambda:InvokeFunction", "function:f:a")]),
        ("Invoke", {"FunctionName": "f"}, "", {"Role": "r"}, [("lambda:InvokeFunction", "function:f")]),
        ("GetAlias", {"FunctionName": "f", "Name": "live"}, "", {}, [("lambda:GetAlias", "function:f")]),
        (
            "GetLayerVersion",
            {"LayerName": "l", "VersionNumber": "2"},
            "",
            {},
            [("lambda:GetLayerVersion", "layer:l:2")],
        ),
        ("ListFunctions", {}, "", {}, [("lambda:ListFunctions", "*")]),
        (
            "CreateFunction",
            {},
            "",
            {"FunctionName": "f", "Role": "arn:aws:iam::1:role/r"},
            [("lambda:CreateFunction", "function:f"), ("iam:PassRole", "arn:aws:iam::1:role/r")],
        ),
    ],
)
def test_what_lambdas_own_operations_need(operation, uri, query, body, expected):
    asked = request("lambda", query=query, body=json.dumps(body).encode())
    wanted = [(need.action, need.resource) for need in lambda_needs(asked, operation, uri)]
    prefix = "arn:aws:lambda:eu-west-1:123456789012:"
    assert wanted == [(a, r if r == "*" or r.startswith("arn:") else prefix + r) for a, r in expected]
