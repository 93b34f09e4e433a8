"""Other services at the lab's own address: which requests are passed on, and that they arrive as they were."""

from __future__ import annotations

import asyncio
import base64
import io
import zlib
from urllib.parse import urlsplit

import boto3
import httpcore
import pytest
import requests
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as Signer
from botocore.exceptions import ClientError

from labkit import Lab
from labkit.emulator.forwarding import Forwarding, is_for_object
from labkit.emulator.signing import Credentials, Verifier
from labkit.errors import ServicesNotStarted

SCOPE = b"20260101/us-east-1/%b/aws4_request"


def signed(service, key=b"AKIA"):
    credential = key + b"/" + SCOPE % service
    return {b"authorization": b"AWS4-HMAC-SHA256 Credential=" + credential + b", SignedHeaders=host, Signature=0"}


@pytest.mark.parametrize(
    ("headers", "wanted"), [(signed(b"sqs"), True), (signed(b"lambda"), False), (signed(b"Lambda"), False), ({}, False)]
)
def test_lambda_and_unsigned_requests_are_not_passed_on(headers, wanted):
    assert Forwarding(NoServices()).wanted(headers, b"") is wanted


class NoServices:
    pid = None

    async def reached(self):
        raise ServicesNotStarted("moto ended.")


def answered(headers, before=None):
    """Status and body for a request in a lab that knows one key, and whose moto does not start."""
    sent = []

    async def send(message):
        sent.append(message)

    verifier = Verifier([Credentials("AKIALAB", "s")], region="us-east-1")
    scope = {"method": "POST", "raw_path": b"/", "query_string": b"", "headers": list(headers.items())}
    asyncio.run(Forwarding(NoServices(), verifier, before=before)(scope, None, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_what_is_to_be_done_before_is_told_of_the_service_and_the_operation():
    told = []

    async def before(service, target):
        told.append((service, target))

    target = {b"x-amz-target": b"Logs_20140328.GetLogEvents"}
    answered({**signed(b"logs", b"AKIALAB"), **target}, before)
    answered({**signed(b"logs", b"UNKNOWN"), **target}, before)
    assert told == [("logs", "Logs_20140328.GetLogEvents")]


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        (signed(b"s3"), "<Code>InvalidAccessKeyId</Code>"),
        (signed(b"sns"), "<Code>InvalidClientTokenId</Code>"),
        ({**signed(b"sqs"), b"x-amz-target": b"AmazonSQS.ListQueues"}, "The security token included"),
    ],
)
def test_an_unknown_key_is_refused_in_the_form_of_the_service(headers, code):
    status, body = answered(headers)
    assert status == 403
    assert code in body


def test_a_moto_that_does_not_start_is_a_clear_answer(capsys):
    status, body = answered(signed(b"sqs", b"AKIALAB"))
    assert status == 503
    assert "The mocked account does not answer: moto ended." in body
    assert "The mocked account does not answer" in capsys.readouterr().err


class OneAnswer:
    """Stands for the connections to a moto that answers everything with this status."""

    def __init__(self, status):
        self._status = status

    async def reached(self):
        return self

    async def handle_async_request(self, request):
        async def body():
            yield b"{}"

        return httpcore.Response(self._status, content=body())


@pytest.mark.parametrize(
    ("method", "service", "status", "told"),
    [
        ("POST", b"apigateway", 201, [("POST", "/restapis", "us-east-1")]),
        ("GET", b"apigateway", 200, []),
        ("POST", b"apigateway", 400, []),
        ("POST", b"sqs", 200, []),
    ],
)
def test_a_watcher_hears_of_a_change_before_its_caller_does(method, service, status, told):
    heard, sent = [], []

    async def watch(*change):
        assert sent == []
        heard.append(change)

    async def send(message):
        sent.append(message)

    async def receive():
        return {"type": "http.request"}

    headers = list(signed(service).items())
    scope = {"method": method, "path": "/restapis", "raw_path": b"/restapis", "query_string": b"", "headers": headers}
    asyncio.run(Forwarding(OneAnswer(status), watchers={"apigateway": [watch]})(scope, receive, send))
    assert (heard, sent[0]["status"]) == (told, status)


@pytest.mark.parametrize(
    ("host", "path", "reads"),
    [
        ("127.0.0.1:4566", "/photos/cat.jpg", True),
        ("localhost", "/photos/a/b", True),
        ("photos.s3.localhost:4566", "/cat.jpg", True),
        ("my.photos.s3.eu-west-1.localhost", "/cat.jpg", True),
        ("s3.localhost:4566", "/photos/cat.jpg", True),
        ("s3.localhost:4566", "/photos", False),
        ("photos.s3.localhost:4566", "/", False),
        ("127.0.0.1:4566", "/photos/", False),
        ("127.0.0.1:4566", "/favicon.ico", False),
        ("127.0.0.1:4566", "/_labkit/status", False),
        ("127.0.0.1:4566", "/2015-03-31/functions", False),
        ("127.0.0.1:4566", "/lambda-url/abc/x", False),
        ("127.0.0.1:4566", "/restapis/abc/x", False),
        ("127.0.0.1:4566", "/_aws/execute-api/abc/x", False),
        ("127.0.0.1:4566", "/moto-api/data.json", False),
        ("abc.lambda-url.us-east-1.localhost", "/photos/x", False),
        ("abc.execute-api.localhost:4566", "/photos/x", False),
    ],
)
def test_which_unsigned_requests_read_an_object(host, path, reads):
    assert is_for_object("GET", host.encode(), path) is reads
    assert is_for_object("HEAD", host.encode(), path) is reads
    assert not is_for_object("PUT", host.encode(), path)


def test_while_there_can_be_no_object_nobody_asks_for_one():
    services = NoServices()
    asked = ({b"host": b"127.0.0.1"}, b"", "GET", "/photos/cat.jpg")
    assert not Forwarding(services).wanted(*asked)
    services.pid = 7
    assert Forwarding(services).wanted(*asked)
    assert not Forwarding(services).wanted({**asked[0], b"authorization": b"Bearer x"}, *asked[1:])


# --- with boto3 on a running lab


@pytest.mark.process
def test_without_a_signature_public_objects_can_be_read_and_nothing_else(lab, bucket):
    bucket.put_object(Bucket="photos", Key="public", Body=b"meow", ACL="public-read")
    bucket.put_object(Bucket="photos", Key="private", Body=b"psst")
    host = {"Host": f"photos.s3.localhost:{lab.endpoint.rpartition(':')[2]}"}

    def asked(method, path, headers=None):
        return requests.request(method, lab.endpoint + path, headers=headers, timeout=10)

    assert asked("GET", "/photos/public").content == asked("GET", "/public", host).content == b"meow"
    assert asked("HEAD", "/photos/public").headers["content-length"] == "4"
    assert asked("GET", "/photos/private").status_code == asked("GET", "/private", host).status_code == 403
    for method, path, headers in (("GET", "/", host), ("PUT", "/new", host), ("DELETE", "/public", host)):
        refused = asked(method, path, headers)
        assert (refused.status_code, "<Code>AccessDenied</Code>" in refused.text) == (403, True)
    assert asked("PUT", "/photos/new").status_code == 404
    assert {found["Key"] for found in bucket.list_objects_v2(Bucket="photos")["Contents"]} == {"public", "private"}


@pytest.mark.process
def test_s3_may_be_named_by_the_host(lab, bucket):
    bucket.put_object(Bucket="photos", Key="cat", Body=b"meow")
    host = f"s3.localhost:{lab.endpoint.rpartition(':')[2]}"
    got = requests.get(f"{lab.endpoint}/photos/cat", headers=signed_for(lab, f"http://{host}/photos/cat"), timeout=10)
    assert got.content == b"meow"


def signed_for(lab, address, *, method="GET", body=b"", trailer="", **secret):
    """S3's signature in headers, for an address that may name another host. With a trailer the body has one, signed by
    nothing but its name.
    """
    known = lab.connection | secret
    request = AWSRequest(method, address, headers={"Host": urlsplit(address).netloc}, data=body)
    if trailer:
        request.context["checksum"] = {"request_algorithm": {"in": "trailer", "name": trailer}}
        request.headers["Content-Encoding"] = "aws-chunked"
        request.headers["X-Amz-Trailer"] = trailer
    signer = Signer(known["aws_access_key_id"], known["aws_secret_access_key"])
    S3SigV4Auth(signer, "s3", known["region_name"]).add_auth(request)
    return dict(request.headers)


def client(lab, service, **config):
    return boto3.client(service, **lab.connection, config=Config(**config))


@pytest.fixture
def bucket(lab):
    s3 = client(lab, "s3")
    s3.create_bucket(Bucket="photos")
    yield s3
    for found in s3.list_objects_v2(Bucket="photos").get("Contents", ()):
        s3.delete_object(Bucket="photos", Key=found["Key"])
    s3.delete_bucket(Bucket="photos")


@pytest.mark.process
def test_a_queues_url_is_the_labs_own_and_works(lab):
    sqs = lab.boto3("sqs")
    url = sqs.create_queue(QueueName="orders")["QueueUrl"]
    assert url == f"{lab.endpoint}/123456789012/orders"
    sqs.send_message(QueueUrl=url, MessageBody="grüße")
    assert sqs.receive_message(QueueUrl=url)["Messages"][0]["Body"] == "grüße"
    sqs.delete_queue(QueueUrl=url)


@pytest.mark.process
@pytest.mark.parametrize("key", ["a/../b", "a b+c%2F&d=?#", "über//twice", ".", "a/./b/"])
def test_an_objects_key_arrives_as_it_was_sent(bucket, key):
    bucket.put_object(Bucket="photos", Key=key, Body=b"x", Metadata={"under_score": "1"})
    assert bucket.get_object(Bucket="photos", Key=key)["Metadata"] == {"under_score": "1"}
    assert [found["Key"] for found in bucket.list_objects_v2(Bucket="photos")["Contents"]] == [key]


@pytest.mark.process
def test_a_large_object_goes_both_ways_in_parts(bucket):
    bucket.upload_fileobj(io.BytesIO(b"z" * 17_000_000), "photos", "large")
    got = bucket.get_object(Bucket="photos", Key="large", Range="bytes=16999990-")
    assert got["Body"].read() == b"z" * 10
    assert got["ContentRange"] == "bytes 16999990-16999999/17000000"


@pytest.mark.process
@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_presigned_address_works_without_credentials(lab, bucket, version):
    signer = client(lab, "s3", signature_version=version)
    address = {"Bucket": "photos", "Key": "cat.jpg"}

    def body():  # of no known length: it is sent in chunks
        yield b"me"
        yield b"ow"

    assert requests.put(signer.generate_presigned_url("put_object", Params=address), data=body(), timeout=10).ok
    assert requests.get(signer.generate_presigned_url("get_object", Params=address), timeout=10).content == b"meow"
    assert requests.head(signer.generate_presigned_url("head_object", Params=address), timeout=10).content == b""


@pytest.mark.process
def test_a_bucket_may_be_named_by_the_host(lab, bucket):
    bucket.put_object(Bucket="photos", Key="cat.jpg", Body=b"meow")
    host = f"photos.localhost:{lab.endpoint.rpartition(':')[2]}"
    got = requests.get(f"{lab.endpoint}/cat.jpg", headers=signed_for(lab, f"http://{host}/cat.jpg"), timeout=10)
    assert got.content == b"meow"


@pytest.mark.process
@pytest.mark.parametrize(
    ("service", "call", "code"),
    [
        ("s3", "list_buckets", "SignatureDoesNotMatch"),
        ("sqs", "list_queues", "InvalidSignatureException"),
        ("dynamodb", "list_tables", "InvalidSignatureException"),
        ("iam", "list_users", "SignatureDoesNotMatch"),
        ("apigatewayv2", "get_apis", "InvalidSignatureException"),
        ("cloudwatch", "list_metrics", "InvalidSignatureException"),
    ],
)
def test_a_signature_with_another_secret_is_refused_in_the_words_of_the_service(lab, service, call, code):
    stranger = boto3.client(service, **lab.connection | {"aws_secret_access_key": "wrong"})
    with pytest.raises(ClientError) as caught:
        getattr(stranger, call)()
    assert caught.value.response["Error"]["Code"] == code
    getattr(client(lab, service), call)()


@pytest.mark.process
@pytest.mark.parametrize("size", [4, 300_000])
def test_an_object_that_was_changed_on_its_way_is_not_kept(lab, bucket, size):
    address = f"{lab.endpoint}/photos/cat"
    headers = signed_for(lab, address, method="PUT", body=b"a" * size)
    refused = requests.put(address, headers=headers, data=b"a" * (size - 1) + b"b", timeout=10)
    assert (refused.status_code, "<Code>XAmzContentSHA256Mismatch</Code>" in refused.text) == (400, True)
    assert bucket.list_objects_v2(Bucket="photos")["KeyCount"] == 0
    assert requests.put(address, headers=headers, data=b"a" * size, timeout=10).ok
    assert bucket.head_object(Bucket="photos", Key="cat")["ContentLength"] == size


@pytest.mark.process
def test_a_body_whose_hash_follows_it_passes_with_a_signature_of_its_head(lab, bucket):
    checksum = base64.b64encode(zlib.crc32(b"meow").to_bytes(4)).decode()
    body = f"4\r\nmeow\r\n0\r\nx-amz-checksum-crc32:{checksum}\r\n\r\n".encode()
    address, as_sent = f"{lab.endpoint}/photos/cat", {"method": "PUT", "trailer": "x-amz-checksum-crc32"}
    length = {"X-Amz-Decoded-Content-Length": "4"}
    refused = signed_for(lab, address, **as_sent, aws_secret_access_key="wrong")
    assert requests.put(address, headers=refused | length, data=body, timeout=10).status_code == 403
    sent = signed_for(lab, address, **as_sent)
    assert sent["X-Amz-Content-SHA256"] == "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
    assert requests.put(address, headers=sent | length, data=body, timeout=10).ok
    assert bucket.get_object(Bucket="photos", Key="cat")["Body"].read() == b"meow"


@pytest.mark.process
def test_a_body_that_nobody_hashed_passes_too(lab, bucket):
    client(lab, "s3", s3={"payload_signing_enabled": False}).put_object(Bucket="photos", Key="cat", Body=b"meow")
    assert bucket.get_object(Bucket="photos", Key="cat")["Body"].read() == b"meow"


@pytest.mark.process
def test_an_error_comes_through_in_the_services_words(bucket):
    with pytest.raises(ClientError, match=r"NoSuchKey.*The specified key does not exist\."):
        bucket.get_object(Bucket="photos", Key="none")


@pytest.mark.process
def test_the_account_is_the_labs_own(monkeypatch):
    monkeypatch.setenv("LABKIT_ACCOUNT_ID", "210987654321")
    with Lab() as lab:
        assert lab.boto3("sts").get_caller_identity()["Account"] == "210987654321"
        topic = lab.boto3("sns").create_topic(Name="t")["TopicArn"]
        assert topic == "arn:aws:sns:us-east-1:210987654321:t"


@pytest.mark.process
def test_each_region_has_its_own_queues(lab):
    west = boto3.client("sqs", **lab.connection | {"region_name": "eu-west-1"})
    url = west.create_queue(QueueName="west")["QueueUrl"]
    arn = west.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    assert arn == "arn:aws:sqs:eu-west-1:123456789012:west"
    assert "QueueUrls" not in lab.boto3("sqs").list_queues(QueueNamePrefix="west")
    west.delete_queue(QueueUrl=url)


@pytest.mark.process
def test_with_credentials_set_only_their_key_is_let_in(monkeypatch):
    monkeypatch.setenv("LABKIT_ACCESS_KEY_ID", "AKIALAB")
    monkeypatch.setenv("LABKIT_SECRET_ACCESS_KEY", "s3cret")
    with Lab() as lab:
        assert lab.boto3("s3").list_buckets()["Buckets"] == []
        for service, call, code in (
            ("s3", "list_buckets", "InvalidAccessKeyId"),
            ("sqs", "list_queues", "UnrecognizedClientException"),
            ("sns", "list_topics", "InvalidClientTokenId"),
        ):
            with pytest.raises(ClientError) as caught:
                getattr(boto3.client(service, **lab.connection | {"aws_access_key_id": "AKIAOTHER"}), call)()
            assert caught.value.response["Error"]["Code"] == code


@pytest.mark.process
def test_a_service_that_is_not_there_says_so(lab):
    with pytest.raises(ClientError, match="braket"):
        client(lab, "braket").search_jobs(filters=[])
