"""Code from S3: of functions and of layers."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile

import pytest
from botocore.exceptions import ClientError

pytestmark = pytest.mark.process


def zipped(path, text):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(path, text)
    return buffer.getvalue()


def returning(value):
    return zipped("app.py", f"def handler(event, context): return {value!r}")


@pytest.fixture
def s3(lab):
    """A bucket `code` that keeps versions."""
    client = lab.boto3("s3")
    client.create_bucket(Bucket="code")
    client.put_bucket_versioning(Bucket="code", VersioningConfiguration={"Status": "Enabled"})
    yield client
    for found in client.list_object_versions(Bucket="code").get("Versions", ()):
        client.delete_object(Bucket="code", Key=found["Key"], VersionId=found["VersionId"])
    client.delete_bucket(Bucket="code")


def create(aws, code):
    return aws.create_function(
        FunctionName="f",
        Runtime="python3.11",
        Role="arn:aws:iam::123456789012:role/r",
        Handler="app.handler",
        Code=code,
    )


def answer(aws):
    return json.loads(aws.invoke(FunctionName="f")["Payload"].read())


def test_a_function_is_made_of_an_object(aws, s3):
    content = returning(1)
    s3.put_object(Bucket="code", Key="my app.zip", Body=content)
    made = create(aws, {"S3Bucket": "code", "S3Key": "my app.zip"})
    assert made["CodeSha256"] == base64.b64encode(hashlib.sha256(content).digest()).decode()
    assert answer(aws) == 1


def test_a_version_of_the_object_can_be_named(aws, s3):
    old = s3.put_object(Bucket="code", Key="app.zip", Body=returning("old"))["VersionId"]
    s3.put_object(Bucket="code", Key="app.zip", Body=returning("new"))
    create(aws, {"S3Bucket": "code", "S3Key": "app.zip"})
    assert answer(aws) == "new"
    aws.update_function_code(FunctionName="f", S3Bucket="code", S3Key="app.zip", S3ObjectVersion=old)
    assert answer(aws) == "old"


def test_a_layer_is_made_of_an_object(aws, s3):
    s3.put_object(Bucket="code", Key="layer.zip", Body=zipped("python/shared.py", "VALUE = 'from the layer'"))
    layer = aws.publish_layer_version(LayerName="l", Content={"S3Bucket": "code", "S3Key": "layer.zip"})
    code = {"ZipFile": zipped("app.py", "import shared\ndef handler(event, context): return shared.VALUE")}
    create(aws, code)
    aws.update_function_configuration(FunctionName="f", Layers=[layer["LayerVersionArn"]])
    assert answer(aws) == "from the layer"
    aws.delete_layer_version(LayerName="l", VersionNumber=layer["Version"])


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (
            {"S3Bucket": "code", "S3Key": "none"},
            "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.",
        ),
        (
            {"S3Bucket": "no-such-bucket", "S3Key": "k"},
            "Error occurred while GetObject. S3 Error Code: NoSuchBucket. "
            "S3 Error Message: The specified bucket does not exist",
        ),
    ],
)
def test_an_object_that_is_not_there_is_told_in_awss_words(aws, s3, code, said):
    with pytest.raises(ClientError) as caught:
        create(aws, code)
    error = caught.value.response["Error"]
    assert (error["Code"], error["Message"]) == ("InvalidParameterValueException", said)


@pytest.mark.parametrize("code", [{"S3Bucket": "code"}, {"S3Key": "app.zip"}])
def test_half_an_address_is_no_source(aws, code):
    with pytest.raises(ClientError, match="Please provide a source for function code"):
        create(aws, code)


def test_what_is_no_zip_is_refused_from_s3_too(aws, s3):
    s3.put_object(Bucket="code", Key="app.zip", Body=b"no zip")
    with pytest.raises(ClientError, match="Could not unzip uploaded file"):
        create(aws, {"S3Bucket": "code", "S3Key": "app.zip"})
