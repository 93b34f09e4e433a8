"""An unmodified app of Powertools for AWS Lambda runs inside, and the account shows what it says.

The packages of this environment stand for a layer. What is looked at is what the app's own author would look at:
answers by HTTP, CloudWatch Logs, CloudWatch metrics, X-Ray, the table.
"""

from __future__ import annotations

import datetime
import io
import json
import zipfile

import pytest
import requests

from labkit import Lab

pytestmark = pytest.mark.process

ROLE = "arn:aws:iam::123456789012:role/shop"
APP = """
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities import parameters
from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer, IdempotencyConfig, idempotent_function
)
from aws_lambda_powertools.utilities.typing import LambdaContext

logger, tracer, metrics = Logger(), Tracer(), Metrics()
app = LambdaFunctionUrlResolver()
table = DynamoDBPersistenceLayer(table_name="orders")
config = IdempotencyConfig(event_key_jmespath="id")


@idempotent_function(data_keyword_argument="order", persistence_store=table, config=config)
def place(order):
    logger.info("placing", extra={"order": order["id"]})
    metrics.add_metric(name="OrdersPlaced", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="Amount", unit=MetricUnit.NoUnit, value=order["amount"])
    return {"id": order["id"], "receipt": f"receipt of {order['id']}"}


@app.post("/orders")
@tracer.capture_method
def orders():
    tracer.put_annotation("kind", "order")
    return place(order=app.current_event.json_body)


@app.get("/greeting/<name>")
def greeting(name):
    return {"text": parameters.get_parameter("/shop/greeting") + " " + name}


@app.get("/missing")
def missing():
    raise NotFoundError("no such thing")


@logger.inject_lambda_context(correlation_id_path=correlation_paths.LAMBDA_FUNCTION_URL, log_event=False)
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict, context: LambdaContext) -> dict:
    return app.resolve(event, context)
"""


def zipped(source: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", source)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def shop():
    """A lab, and the address of the app in it."""
    with Lab(notice=lambda message: None) as lab:
        endpoint = lab.connection["endpoint_url"]
        lab.boto3("dynamodb").create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        lab.boto3("ssm").put_parameter(Name="/shop/greeting", Value="good day", Type="String")
        aws = lab.boto3("lambda")
        aws.create_function(
            FunctionName="shop",
            Runtime="python3.13",
            Role=ROLE,
            Handler="app.handler",
            Code={"ZipFile": zipped(APP)},
            Timeout=30,
            MemorySize=512,
            TracingConfig={"Mode": "Active"},
            Environment={
                "Variables": {
                    "AWS_ENDPOINT_URL": endpoint,
                    "POWERTOOLS_SERVICE_NAME": "shop",
                    "POWERTOOLS_METRICS_NAMESPACE": "Shop",
                    "POWERTOOLS_LOG_LEVEL": "INFO",
                }
            },
        )
        aws.get_waiter("function_active_v2").wait(FunctionName="shop")
        url = aws.create_function_url_config(FunctionName="shop", AuthType="NONE")["FunctionUrl"]
        for action, more in (
            ("lambda:InvokeFunctionUrl", {"FunctionUrlAuthType": "NONE"}),
            ("lambda:InvokeFunction", {"InvokedViaFunctionUrl": True}),
        ):
            aws.add_permission(
                FunctionName="shop", StatementId=action.replace(":", "-"), Action=action, Principal="*", **more
            )
        yield lab, url


@pytest.fixture(scope="module")
def ordered(shop):
    """The same order twice: the answers, and the trace of the first."""
    lab, url = shop
    root = f"1-{int(datetime.datetime.now().timestamp()):08x}-0123456789abcdef01234567"
    header = {"x-amzn-trace-id": f"Root={root};Parent=0123456789abcdef;Sampled=1"}
    first = requests.post(f"{url}orders", json={"id": "o-1", "amount": 12.5}, headers=header, timeout=30)
    second = requests.post(f"{url}orders", json={"id": "o-1", "amount": 12.5}, timeout=30)
    return lab, first, second, root


def records(lab):
    """The app's own lines, which are JSON."""
    events = lab.boto3("logs").filter_log_events(logGroupName="/aws/lambda/shop")["events"]
    return [json.loads(event["message"]) for event in events if event["message"].startswith("{")]


def total(lab, namespace, metric, *dimensions):
    now = datetime.datetime.now(datetime.UTC)
    points = lab.boto3("cloudwatch").get_metric_statistics(
        Namespace=namespace,
        MetricName=metric,
        Dimensions=[{"Name": name, "Value": value} for name, value in dimensions],
        StartTime=now - datetime.timedelta(minutes=10),
        EndTime=now + datetime.timedelta(minutes=1),
        Period=60,
        Statistics=["Sum"],
    )["Datapoints"]
    return sum(point["Sum"] for point in points)


def test_the_second_of_two_equal_orders_is_answered_from_the_table(ordered):
    lab, first, second, _ = ordered
    assert (first.status_code, first.json()) == (200, {"id": "o-1", "receipt": "receipt of o-1"})
    assert second.json() == first.json()
    [kept] = lab.boto3("dynamodb").scan(TableName="orders")["Items"]
    assert kept["status"] == {"S": "COMPLETED"}


def test_the_loggers_lines_are_in_cloudwatch_with_the_context_that_it_injects(ordered):
    lab = ordered[0]
    [said] = [record for record in records(lab) if record.get("message") == "placing"]
    assert (said["level"], said["service"], said["order"], said["function_name"]) == ("INFO", "shop", "o-1", "shop")
    assert said["cold_start"] is True
    assert said["xray_trace_id"] == ordered[3]


def test_its_metrics_are_in_cloudwatch(ordered):
    lab = ordered[0]
    assert total(lab, "Shop", "OrdersPlaced", ("service", "shop")) == 1
    assert total(lab, "Shop", "Amount", ("service", "shop")) == 12.5
    assert total(lab, "Shop", "ColdStart", ("function_name", "shop"), ("service", "shop")) == 1


def test_lambdas_own_metrics_stand_beside_them(ordered):
    lab = ordered[0]
    assert total(lab, "AWS/Lambda", "Invocations", ("FunctionName", "shop")) >= 2
    assert total(lab, "AWS/Lambda", "Errors", ("FunctionName", "shop")) == 0


def test_the_tracers_subsegments_stand_under_lambdas_in_the_callers_trace(ordered):
    lab, _, _, root = ordered
    [trace] = lab.boto3("xray").batch_get_traces(TraceIds=[root])["Traces"]
    documents = [json.loads(segment["Document"]) for segment in trace["Segments"]]
    by_origin = {document.get("origin"): document for document in documents}
    service, function = by_origin["AWS::Lambda"], by_origin["AWS::Lambda::Function"]
    assert service["parent_id"] == "0123456789abcdef"
    assert function["parent_id"] == service["id"]
    parts = {part["name"]: part["id"] for part in function["subsegments"]}
    assert list(parts) == ["Initialization", "Invocation", "Overhead"]
    handlers = next(document for document in documents if document["name"] == "## handler")
    assert (handlers["type"], handlers["parent_id"]) == ("subsegment", parts["Invocation"])
    inner = [document for document in documents if document.get("parent_id") == handlers["id"]]
    assert [part["annotations"] for part in inner] == [{"kind": "order"}]
    assert "dynamodb" in {document["name"] for document in documents if document.get("namespace") == "aws"}


def test_a_parameter_comes_from_the_account(shop):
    assert requests.get(f"{shop[1]}greeting/Ada", timeout=30).json() == {"text": "good day Ada"}


def test_a_route_that_raises_answers_as_the_app_says(shop):
    answer = requests.get(f"{shop[1]}missing", timeout=30)
    assert (answer.status_code, answer.json()["message"]) == (404, "no such thing")
