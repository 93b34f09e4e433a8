"""The pipeline of the course's first article, built for real: raw data in a bucket, a function that cleans it, one that
trains, one that answers over HTTP; everything by plain boto3 and requests.

    raw/*.csv --S3 event--> clean -> clean/*.json --S3 event--> train -> models/*.json <--reads-- infer <--HTTP-- requests

The data is scikit-learn's wine; the certificate is the same model, fitted here, in one piece.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile

import numpy as np
import pytest
import requests
from botocore.exceptions import ClientError
from sklearn.datasets import load_wine
from sklearn.linear_model import LogisticRegression

pytestmark = pytest.mark.process

ROLE = "arn:aws:iam::123456789012:role/pipeline"
BUCKET, CODE = "wine", "pipeline-code"
CLEAN = """
import csv, io, json, urllib.parse
import boto3
s3 = boto3.client("s3")

def handler(event, context):
    for record in event["Records"]:
        bucket = record["s3"]["bucket"]["name"]
        key = urllib.parse.unquote_plus(record["s3"]["object"]["key"])
        text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
        rows = [[float(cell) for cell in row] for row in csv.reader(io.StringIO(text)) if row and all(row)]
        columns = list(zip(*[row[:-1] for row in rows]))
        means = [sum(c) / len(c) for c in columns]
        scales = [(sum((x - m) ** 2 for x in c) / len(c)) ** 0.5 for c, m in zip(columns, means)]
        scaled = [[(x - m) / s for x, m, s in zip(row[:-1], means, scales)] for row in rows]
        body = {"x": scaled, "y": [int(row[-1]) for row in rows], "means": means, "scales": scales}
        s3.put_object(Bucket=bucket, Key="clean/" + key.removeprefix("raw/") + ".json", Body=json.dumps(body))
"""
TRAIN = """
import json, urllib.parse
import boto3
from sklearn.linear_model import LogisticRegression
s3 = boto3.client("s3")

def handler(event, context):
    [record] = event["Records"]
    bucket, key = record["s3"]["bucket"]["name"], urllib.parse.unquote_plus(record["s3"]["object"]["key"])
    data = json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    model = LogisticRegression(C=1.0, max_iter=1000).fit(data["x"], data["y"])
    body = {"coefficients": model.coef_.tolist(), "intercepts": model.intercept_.tolist()}
    s3.put_object(Bucket=bucket, Key="models/model.json", Body=json.dumps(body | {n: data[n] for n in ("means", "scales")}))
"""
INFER = """
import json
import boto3
s3 = boto3.client("s3")

def handler(event, context):
    try:
        x = [float(value) for value in json.loads(event["body"])["x"]]
        model = json.loads(s3.get_object(Bucket="wine", Key="models/model.json")["Body"].read())
        scaled = [(a - m) / s for a, m, s in zip(x, model["means"], model["scales"], strict=True)]
    except (ValueError, TypeError, KeyError) as error:
        return {"statusCode": 400, "body": json.dumps({"message": f"{type(error).__name__}: {error}"})}
    scores = [sum(c * v for c, v in zip(row, scaled)) + b for row, b in zip(model["coefficients"], model["intercepts"])]
    return {"statusCode": 200, "body": json.dumps({"class": scores.index(max(scores)), "scores": scores})}
"""
FUNCTIONS = {"clean": (CLEAN, 256), "train": (TRAIN, 1024), "infer": (INFER, 256)}


def zipped(source):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


class Pipeline:
    """What is built, by the services' own names."""

    def __init__(self, lab) -> None:
        self.lab = lab
        self.aws, self.s3, self.api = lab.boto3("lambda"), lab.boto3("s3"), lab.boto3("apigateway")

    def deploy(self) -> None:
        """Code from a bucket."""
        for bucket in (BUCKET, CODE):
            self.s3.create_bucket(Bucket=bucket)
        for name, (source, memory) in FUNCTIONS.items():
            self.s3.put_object(Bucket=CODE, Key=f"{name}.zip", Body=zipped(source))
            self.aws.create_function(
                FunctionName=name, Runtime="python3.13", Role=ROLE, Handler="app.handler", Timeout=60,
                MemorySize=memory, Code={"S3Bucket": CODE, "S3Key": f"{name}.zip"},
            )  # fmt: skip
            self.aws.get_waiter("function_active_v2").wait(FunctionName=name)

    def wire(self) -> None:
        """Objects call functions."""
        arns = {name: self.aws.get_function(FunctionName=name)["Configuration"]["FunctionArn"] for name in FUNCTIONS}
        for name in ("clean", "train"):
            self.permit(name, "s3.amazonaws.com", f"arn:aws:s3:::{BUCKET}")
        wanted = [
            {
                "LambdaFunctionArn": arns[name],
                "Events": ["s3:ObjectCreated:*"],
                "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": prefix}]}},
            }
            for name, prefix in (("clean", "raw/"), ("train", "clean/"))
        ]
        configuration = {"LambdaFunctionConfigurations": wanted}
        self.s3.put_bucket_notification_configuration(Bucket=BUCKET, NotificationConfiguration=configuration)

    def publish(self) -> str:
        """A REST API in front of `infer`; returns its address."""
        api_id = self.api.create_rest_api(name="wine")["id"]
        root = self.api.get_resources(restApiId=api_id)["items"][0]["id"]
        resource = self.api.create_resource(restApiId=api_id, parentId=root, pathPart="inference")["id"]
        where = {"restApiId": api_id, "resourceId": resource, "httpMethod": "POST"}
        self.api.put_method(**where, authorizationType="NONE")
        arn = self.aws.get_function(FunctionName="infer")["Configuration"]["FunctionArn"]
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
        self.api.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        self.api.create_deployment(restApiId=api_id, stageName="prod")
        source = f"arn:aws:execute-api:us-east-1:123456789012:{api_id}/*/POST/inference"
        self.permit("infer", "apigateway.amazonaws.com", source)
        return f"{self.lab.endpoint}/_aws/execute-api/{api_id}/prod/inference"

    def permit(self, name, principal, source) -> None:
        self.aws.add_permission(
            FunctionName=name,
            StatementId="pipeline",
            Action="lambda:InvokeFunction",
            Principal=principal,
            SourceArn=source,
        )

    def has_model(self) -> bool:
        try:
            self.s3.head_object(Bucket=BUCKET, Key="models/model.json")
        except ClientError:
            return False
        return True


@pytest.fixture
def pipeline(own_lab):
    pipeline = Pipeline(own_lab)
    pipeline.deploy()
    pipeline.wire()
    return pipeline


def table(x, y):
    text = io.StringIO()
    csv.writer(text).writerows([*row, label] for row, label in zip(x.tolist(), y.tolist(), strict=True))
    return text.getvalue()


def test_raw_data_in_a_bucket_becomes_a_model_that_answers_over_http(pipeline, wait_until):
    x, y = load_wine(return_X_y=True)
    address = pipeline.publish()
    pipeline.s3.put_object(Bucket=BUCKET, Key="raw/wine 2026.csv", Body=table(x, y) + "1,,2\n")
    wait_until(pipeline.has_model)

    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    model = LogisticRegression(C=1.0, max_iter=1000).fit(scaled, y)
    for row in range(0, len(x), 25):
        answer = requests.post(address, json={"x": x[row].tolist()}, timeout=30)
        assert answer.status_code == 200
        expected = model.decision_function(scaled[row : row + 1])[0]
        np.testing.assert_allclose(answer.json()["scores"], expected, rtol=1e-6)
        assert answer.json()["class"] == int(model.predict(scaled[row : row + 1])[0])

    assert pipeline.lab.traces("clean")[0].status == "success"
    assert "clean/wine 2026.csv.json" in {
        found["Key"] for found in pipeline.s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    }


@pytest.mark.parametrize("body", ["", "{}", '{"x": [1, 2]}', '{"x": "a"}', "not json"])
def test_rubbish_is_answered_before_anything_is_computed(pipeline, body):
    pipeline.s3.put_object(
        Bucket=BUCKET, Key="models/model.json",
        Body=json.dumps({"coefficients": [[1.0]], "intercepts": [0.0], "means": [0.0] * 13, "scales": [1.0] * 13}),
    )  # fmt: skip
    answer = requests.post(pipeline.publish(), data=body, timeout=30)
    assert answer.status_code == 400
    assert "message" in answer.json()
