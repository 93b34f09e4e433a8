"""What a function is configured with, on its way to the handler and back."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from labkit import Lab

pytestmark = pytest.mark.process

TIMES = int(os.environ.get("FRONT_DOOR_TIMES", "1"))
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
TAG = st.text(st.characters(categories=["L", "N", "Zs"], include_characters="_.:/=+-@"), max_size=40)
NAMES = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_]{1,20}", fullmatch=True).map("V_".__add__)
CODE = "import os\ndef handler(event, context): return {k: v for k, v in os.environ.items() if k.startswith('V_')}"


@pytest.fixture(scope="module")
def reader(shared_lab):
    shared_lab.deploy("reader", CODE, timeout_s=10)
    yield Reader(shared_lab, boto3.client("lambda", **shared_lab.connection))
    shared_lab.delete("reader")


class Reader(NamedTuple):
    lab: Lab
    aws: Any


def configured(reader, **changes):
    """After the change, as AWS's waiters wait."""
    reader.aws.update_function_configuration(FunctionName="reader", **changes)
    return reader.aws.get_function_configuration(FunctionName="reader")


@settings(max_examples=6 * TIMES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=TIMES == 1)
@given(st.dictionaries(NAMES, TEXT, max_size=8), TEXT)
@example({"V_a1": "a=b\nc\r\t\x01\x7f", "V_b1": "\U0001f600é\u202e", "V_c1": ""}, "\x01\U0001f600\ufeff")
def test_variables_and_description_arrive_as_they_were(reader, variables, description):
    shown = configured(reader, Environment={"Variables": variables}, Description=description)
    assert shown["Description"] == description
    assert shown.get("Environment", {"Variables": {}})["Variables"] == variables
    assert reader.lab.invoke("reader").payload == variables


@settings(max_examples=15 * TIMES, deadline=None, suppress_health_check=list(HealthCheck), derandomize=TIMES == 1)
@given(st.dictionaries(TAG.filter(bool), TAG, min_size=1, max_size=5))
def test_tags_come_back_as_they_were(reader, tags):
    arn = reader.aws.get_function(FunctionName="reader")["Configuration"]["FunctionArn"]
    reader.aws.tag_resource(Resource=arn, Tags=tags)
    assert reader.aws.list_tags(Resource=arn)["Tags"] == tags
    reader.aws.untag_resource(Resource=arn, TagKeys=list(tags))
    assert reader.aws.list_tags(Resource=arn)["Tags"] == {}


def test_a_variable_with_a_nul_is_refused(reader):
    with pytest.raises(ClientError) as caught:
        configured(reader, Environment={"Variables": {"V_a1": "a\0b"}})
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_a_handler_with_a_nul_is_refused(reader):
    with pytest.raises(ClientError) as caught:
        configured(reader, Handler="app.han\0dler")
    assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"


def test_half_a_surrogate_pair_becomes_a_question_mark(reader):
    configured(reader, Environment={"Variables": {"V_a1": "a\ud800b"}})
    assert reader.lab.invoke("reader").payload == {"V_a1": "a?b"}
