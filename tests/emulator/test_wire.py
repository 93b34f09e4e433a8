"""The wire against unmodified botocore: it writes every request here and reads every reply.

Parameters and results are generated from the model's shapes, so that an operation that a new botocore brings is tested
without a line of ours.
"""

from __future__ import annotations

import io
import json
import string
from datetime import UTC, datetime
from functools import cache
from urllib.parse import parse_qsl, urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSResponse, HeadersDict
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from labkit import errors
from labkit.emulator.constraints import CORRECTED_MAX, compiled_pattern
from labkit.emulator.wire import Match, Wire
from labkit.errors import SerializationFailed

MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2"))
WIRE = Wire()
FUNCTION_ARN = "arn:aws:lambda:us-east-1:123456789012:function:double"
# No shrinking: a failing example names its member well enough, and a search through long patterns takes minutes.
FEW = settings(
    max_examples=6,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
STREAMED = [name for name in MODEL.operation_names if MODEL.operation_model(name).has_event_stream_output]
WITH_RESULT = [n for n in MODEL.operation_names if MODEL.operation_model(n).output_shape and n not in STREAMED]
every_operation = pytest.mark.parametrize("operation", MODEL.operation_names)


# --- a client that sends nothing ----------------------------------------------------------------------------


class Sent(Exception):
    """Carries the request that botocore would have put on the network."""


class Raw(io.BytesIO):
    def stream(self, **_):
        yield self.read()


def offline_client(answer):
    client = boto3.client(
        "lambda",
        endpoint_url="http://127.0.0.1:1",
        region_name="us-east-1",
        aws_access_key_id="x",
        aws_secret_access_key="y",
        config=Config(retries={"max_attempts": 0}),
    )
    client.meta.events.register("before-send.lambda", answer)
    return client


def refuse_to_send(request, **_):
    raise Sent(request)


CLIENT = offline_client(refuse_to_send)
METHODS = {CLIENT.meta.method_to_api_mapping[name]: name for name in CLIENT.meta.method_to_api_mapping}


def request_of(operation, params):
    """Method, raw path, query, headers and body that botocore sends for a call."""
    with pytest.raises(Sent) as caught:
        getattr(CLIENT, METHODS[operation])(**params)
    request = caught.value.args[0]
    url = urlsplit(request.url)
    headers = {k: v.decode() if isinstance(v, bytes) else v for k, v in request.headers.items()}
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    body = body.encode() if isinstance(body, str) else bytes(body)
    return request.method, url.path, parse_qsl(url.query, keep_blank_values=True), headers, body


def parsed(operation, params):
    method, path, query, headers, body = request_of(operation, params)
    match = WIRE.match(method, path, query)
    assert match is not None, f"{method} {path}"
    assert match.operation == operation
    return WIRE.parse(match, query, headers, body)


def read_by_botocore(operation, reply):
    """What a caller of boto3 gets, without the metadata; a stream is read, and one of no bytes left out."""
    model = MODEL.operation_model(operation)
    body = Raw(reply.body) if model.has_streaming_output else reply.body
    response = {"status_code": reply.status, "headers": HeadersDict(reply.headers), "body": body}
    answer = create_parser("rest-json").parse(response, model.output_shape)
    read = {name: value.read() if isinstance(value, Raw) else value for name, value in answer.items()}
    return {name: value for name, value in read.items() if name != "ResponseMetadata" and value != b""}


def client_that_gets(reply):
    return offline_client(lambda request, **_: AWSResponse(request.url, reply.status, reply.headers, Raw(reply.body)))


def call(operation, body, query=(), headers=None, **uri):
    """Parses a hand-written request."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return WIRE.parse(Match(operation, uri), query, headers or {}, text)


# --- values for shapes --------------------------------------------------------------------------------------

VISIBLE = string.ascii_letters + string.digits + '=+/:._-{}"'
WHOLE_SECONDS = st.integers(0, 4_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))
ANY_TEXT = st.characters(exclude_categories=["Cs"])
JSON_BYTES = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)).map(
    lambda v: json.dumps(v).encode()
)


def numbers(shape):
    least, most = shape.metadata.get("min", 0), CORRECTED_MAX.get(shape.name, shape.metadata.get("max", 2**31 - 1))
    if shape.type_name in ("integer", "long"):
        return st.integers(int(least), int(most))
    return st.floats(least, min(most, 1e9), allow_nan=False)


def strings(shape):
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 2**20)
    if shape.enum:
        return st.sampled_from(shape.enum)
    if pattern := shape.metadata.get("pattern"):
        return texts_of(pattern).filter(lambda t: least <= len(t) <= most)
    return st.text(ANY_TEXT, min_size=least, max_size=min(most, least + 12))


@cache
def texts_of(pattern):
    # Unicode categories make a class of a thousand ranges, which takes hypothesis seconds to learn.
    simple = pattern.replace(r"\p{L}\p{Z}\p{N}", "a-zé水٣ ")
    return st.from_regex(compiled_pattern(simple), fullmatch=True)


def inputs(shape):
    """Values that botocore accepts and that keep every rule of the model."""
    kind = shape.type_name
    if kind == "structure":
        return structures(shape, inputs)
    if kind == "list":
        # An empty list in a query is not sent at all, which is no way to send a required one.
        least = shape.metadata.get("min", 1 if shape.serialization.get("location") == "querystring" else 0)
        return st.lists(inputs(shape.member), min_size=least, max_size=min(shape.metadata.get("max", 3), least + 2))
    if kind == "map":
        least = shape.metadata.get("min", 0)
        return st.dictionaries(inputs(shape.key), inputs(shape.value), min_size=least, max_size=least + 1)
    return scalars(shape, strings)


def scalars(shape, strings):
    kind = shape.type_name
    if kind == "string":
        return strings(shape)
    if kind in ("integer", "long", "float", "double"):
        return numbers(shape)
    return {"boolean": st.booleans(), "blob": st.binary(max_size=20), "timestamp": WHOLE_SECONDS}[kind]


def structures(shape, of):
    members = {name: member_values(shape, name, member, of) for name, member in shape.members.items()}
    needed = {n for n, m in shape.members.items() if n in shape.required_members or m.metadata.get("idempotencyToken")}
    return st.fixed_dictionaries(
        {name: values for name, values in members.items() if name in needed},
        optional={name: values for name, values in members.items() if name not in needed},
    )


def member_values(shape, name, member, of):
    location = member.serialization.get("location")
    if name == shape.serialization.get("payload") and member.type_name == "blob":
        return JSON_BYTES
    if location == "statusCode":
        return st.sampled_from([200, 201, 202])
    if location == "header" and (of is outputs or not (member.enum or "pattern" in member.metadata)):
        return st.text(VISIBLE, min_size=1, max_size=12)
    return of(member)


def outputs(shape):
    """Results of the right types; a service is not held to its own rules."""
    kind = shape.type_name
    if kind == "structure":
        return structures(shape, outputs)
    if kind == "list":
        return st.lists(outputs(shape.member), max_size=2)
    if kind == "map":
        return st.dictionaries(outputs(shape.key), outputs(shape.value), max_size=2)
    return scalars(shape, lambda _: st.text(ANY_TEXT, max_size=8))


def without_empty_payload(operation, params):
    """An empty structure and no structure at all are the same body."""
    payload = MODEL.operation_model(operation).input_shape.serialization.get("payload")
    return {name: value for name, value in params.items() if not (name == payload and value == {})}


# --- botocore as the authority ------------------------------------------------------------------------------


@every_operation
@given(data=st.data())
@FEW
def test_a_request_of_botocores_is_understood_as_it_was_meant(operation, data):
    params = data.draw(inputs(MODEL.operation_model(operation).input_shape))
    assert without_empty_payload(operation, parsed(operation, params)) == without_empty_payload(operation, params)


@pytest.mark.parametrize("operation", WITH_RESULT)
@given(data=st.data())
@FEW
def test_a_reply_reads_in_botocore_as_the_result_that_was_given(operation, data):
    shape = MODEL.operation_model(operation).output_shape
    result = data.draw(outputs(shape))
    reply = WIRE.serialise(operation, result)
    statuses = {n: reply.status for n, m in shape.members.items() if m.serialization.get("location") == "statusCode"}
    assert read_by_botocore(operation, reply) == result | statuses


@every_operation
def test_a_reply_without_a_result_has_the_models_status(operation):
    status = 204 if operation == "DeleteFunction" else MODEL.operation_model(operation).http["responseCode"]
    assert WIRE.serialise(operation, {}).status == status


def test_every_operation_of_the_model_is_known():
    assert set(WIRE.operations) == set(MODEL.operation_names)


def test_the_model_uses_no_feature_of_the_protocol_that_the_wire_lacks():
    shapes = [MODEL.shape_for(name) for name in MODEL.shape_names]
    members = [m for s in shapes if s.type_name == "structure" for m in s.members.values()]
    assert {m.serialization.get("location") for m in members} <= {None, "uri", "querystring", "header", "statusCode"}
    assert not any(m.serialization.get("jsonvalue") for m in members)
    in_query = [m for m in members if m.serialization.get("location") == "querystring"]
    assert not any(m.type_name == "map" for m in in_query)


# --- routes -------------------------------------------------------------------------------------------------


def test_a_trailing_slash_is_the_same_path():
    assert WIRE.match("GET", "/2015-03-31/functions/") == Match("ListFunctions", {})


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", ""),
        ("PATCH", "/2015-03-31/functions"),
        ("GET", "/2014-01-01/functions"),
        ("GET", "/2015-03-31/functions/f/nothing"),
        ("POST", "/2015-03-31/functions//invocations"),
        ("POST", "/2015-03-31/functions/f/invocations/again"),
    ],
)
def test_what_is_no_path_of_the_api_matches_nothing(method, path):
    assert WIRE.match(method, path) is None


def test_a_percent_encoded_arn_is_one_parameter():
    path = "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Adouble"
    assert WIRE.match("GET", path) == Match("ListTags", {"Resource": FUNCTION_ARN})


def test_a_percent_encoded_slash_does_not_part_segments():
    match = WIRE.match("GET", "/2015-03-31/functions/a%2Fb%20c/configuration")
    assert match == Match("GetFunctionConfiguration", {"FunctionName": "a/b c"})


def test_a_plus_in_a_path_is_a_plus():
    assert WIRE.match("GET", "/2015-03-31/functions/a+b").uri == {"FunctionName": "a+b"}


def test_a_colon_may_stand_unencoded():
    assert WIRE.match("GET", f"/2015-03-31/functions/{FUNCTION_ARN}").uri == {"FunctionName": FUNCTION_ARN}


def test_a_literal_segment_wins_over_a_parameter():
    path = "/2019-09-25/functions/list/event-invoke-config/list"
    assert WIRE.match("GET", path).operation == "ListFunctionEventInvokeConfigs"


@pytest.mark.parametrize(
    ("path", "query", "operation"),
    [
        ("/2018-10-31/layers", (), "ListLayers"),
        ("/2018-10-31/layers", [("find", "LayerVersion"), ("Arn", "a")], "GetLayerVersionByArn"),
        ("/2019-09-30/functions/f/provisioned-concurrency", [("Qualifier", "1")], "GetProvisionedConcurrencyConfig"),
        ("/2019-09-30/functions/f/provisioned-concurrency", [("List", "ALL")], "ListProvisionedConcurrencyConfigs"),
    ],
)
def test_a_query_decides_between_operations_of_one_path(path, query, operation):
    assert WIRE.match("GET", path, query).operation == operation


# --- requests -----------------------------------------------------------------------------------------------


def test_an_empty_body_is_an_empty_document():
    assert call("PublishVersion", b"", FunctionName="double") == {"FunctionName": "double"}


def test_a_null_is_an_absent_member():
    assert call("PublishVersion", {"Description": None}, FunctionName="double") == {"FunctionName": "double"}


def test_an_unknown_member_is_ignored():
    assert call("PublishVersion", {"Colour": "red"}, FunctionName="double") == {"FunctionName": "double"}


def test_a_body_where_the_operation_has_none_is_ignored():
    assert call("GetFunction", b"not json", FunctionName="double") == {"FunctionName": "double"}


def test_header_names_are_read_in_any_case():
    params = call("Invoke", b"1", headers={"x-AMZ-log-TYPE": "Tail"}, FunctionName="double")
    assert params == {"FunctionName": "double", "LogType": "Tail", "Payload": b"1"}


def test_a_repeated_query_parameter_is_a_list():
    params = call("UntagResource", b"", query=[("tagKeys", "a"), ("tagKeys", "b")], Resource=FUNCTION_ARN)
    assert params["TagKeys"] == ["a", "b"]


def test_a_payload_stays_as_it_was_sent():
    assert call("Invoke", b' {"x":  1} ', FunctionName="double")["Payload"] == b' {"x":  1} '


def test_an_invocation_without_a_body_has_no_payload():
    assert call("Invoke", b"", FunctionName="double") == {"FunctionName": "double"}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"nope", "Unrecognized token 'nope': was expecting (JSON String, Number, Array, Object or token"),
        (b'{"a": }', "Unexpected character ('}' (code 125))"),
        (b'{"a": 1', "Unexpected end-of-input"),
        (b"{'a': 1}", "Unexpected character (''' (code 39))"),
        (b"\x87\x01", "Invalid UTF-8 start byte 0x87"),
        (b"NaN", "Non-standard token 'NaN'"),
        (b"[" * 100_000, "Document nesting depth exceeds the maximum allowed"),
    ],
)
def test_an_invocations_payload_that_is_no_json_is_refused_in_lambdas_words(body, why):
    with pytest.raises(errors.InvalidRequestContent) as caught:
        call("Invoke", body, FunctionName="double")
    said = "Could not parse request body into json: Could not parse payload into json: "
    assert caught.value.message.startswith(said + why)


def test_a_payload_that_need_not_be_json_is_not_read():
    params = call("SendDurableExecutionCallbackSuccess", b"\xff\x00", CallbackId="abc=")
    assert params["Result"] == b"\xff\x00"


def test_a_document_that_is_no_json_is_a_serialization_exception():
    with pytest.raises(SerializationFailed, match="Could not parse request body into json: Unexpected end-of-input"):
        call("CreateFunction", b'{"FunctionName": ')


@pytest.mark.parametrize(("body", "said"), [(b"[]", "Start of list found where not expected"), (b"7", "Expected null")])
def test_a_document_that_is_no_object_is_a_serialization_exception(body, said):
    with pytest.raises(SerializationFailed) as caught:
        call("CreateFunction", body)
    assert caught.value.message == said


def test_a_wrong_type_is_refused_before_any_constraint():
    with pytest.raises(SerializationFailed, match="STRING_VALUE can not be converted to an Integer"):
        call("CreateFunction", {"MemorySize": "128"})


def test_a_query_parameter_of_the_wrong_type_is_refused():
    with pytest.raises(SerializationFailed, match="STRING_VALUE can not be converted to an Integer"):
        call("ListFunctions", b"", query=[("MaxItems", "many")])


def test_the_path_is_held_to_its_constraints():
    with pytest.raises(errors.ValidationFailed) as caught:
        call("GetFunction", b"", FunctionName="no such/name")
    assert caught.value.message.startswith("1 validation error detected: Value 'no such/name' at 'functionName' failed")


def test_a_runtime_that_does_not_exist_is_refused_in_lambdas_own_words():
    body = {"Role": "arn:aws:iam::123456789012:role/r", "Code": {}, "FunctionName": "f", "Runtime": "python9"}
    with pytest.raises(errors.InvalidParameterValue) as caught:
        call("CreateFunction", body)
    said = "Value python9 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [nodejs, "
    assert caught.value.message.startswith(said)
    assert caught.value.message.endswith("] or be a valid ARN")


# --- replies ------------------------------------------------------------------------------------------------


def test_a_deletion_answers_204_without_a_body():
    reply = WIRE.serialise("DeleteFunction", {})
    assert (reply.status, reply.headers, reply.body) == (204, {}, b"")


def test_the_results_status_wins_over_the_models():
    assert WIRE.serialise("Invoke", {"StatusCode": 202}).status == 202


def test_an_asynchronous_invocation_answers_with_an_empty_body():
    reply = WIRE.serialise("Invoke", {"StatusCode": 202})
    assert (reply.body, reply.headers) == (b"", {})


def test_a_dry_run_has_no_body_even_if_the_result_had_a_payload():
    assert WIRE.serialise("Invoke", {"StatusCode": 204, "Payload": b"{}"}).body == b""


def test_an_invocations_reply_is_the_payload_itself_and_headers():
    result = {"StatusCode": 200, "Payload": b"42", "FunctionError": "Unhandled", "ExecutedVersion": "$LATEST"}
    reply = WIRE.serialise("Invoke", result)
    assert reply.body == b"42"
    assert reply.headers == {
        "content-type": "application/json",
        "x-amz-function-error": "Unhandled",
        "x-amz-executed-version": "$LATEST",
    }


def test_a_member_with_none_is_left_out():
    assert json.loads(WIRE.serialise("GetAlias", {"Name": "live", "Description": None}).body) == {"Name": "live"}


def test_a_result_without_members_is_an_empty_object():
    assert WIRE.serialise("GetFunctionConcurrency", {}).body == b"{}"


def test_a_members_name_that_the_model_does_not_know_stays_behind():
    assert json.loads(WIRE.serialise("GetAlias", {"Name": "live", "Secret": 1}).body) == {"Name": "live"}


def test_a_line_end_in_a_header_does_not_begin_another_one():
    headers = WIRE.serialise("Invoke", {"FunctionError": "a\r\nset-cookie: b"}).headers
    assert headers == {"x-amz-function-error": "a set-cookie: b"}


# --- errors -------------------------------------------------------------------------------------------------

MAKERS = {
    errors.TooManyRequests: lambda: errors.TooManyRequests("ReservedFunctionConcurrentInvocationLimitExceeded"),
    errors.NotImplementedHere: lambda: errors.NotImplementedHere("CreateAlias"),
    errors.MissingAuthenticationToken: errors.MissingAuthenticationToken,
    errors.RequestExpired: errors.RequestExpired,
    errors.UnrecognizedClient: errors.UnrecognizedClient,
}
ERRORS = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.ServiceError) and kind is not errors.ServiceError
]
every_error = pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)


def example(kind):
    return MAKERS.get(kind, lambda: kind("It is “not” there: arn:aws:lambda:x."))()


def raised_by_botocore(reply):
    client = client_that_gets(reply)
    with pytest.raises(ClientError) as caught:
        client.get_function(FunctionName="double")
    return client, caught.value


@every_error
def test_an_error_reaches_botocore_with_its_code_and_message(kind):
    error = example(kind)
    _, seen = raised_by_botocore(WIRE.error(error, "r-1"))
    assert (seen.response["Error"]["Code"], seen.response["Error"]["Message"]) == (error.code, error.message)
    metadata = seen.response["ResponseMetadata"]
    assert (metadata["HTTPStatusCode"], metadata["RequestId"]) == (error.status, "r-1")


@every_error
def test_an_error_of_the_model_is_raised_as_its_own_exception(kind):
    error = example(kind)
    client, seen = raised_by_botocore(WIRE.error(error, "r-1"))
    modelled = error.code in MODEL.shape_names
    assert type(seen) is (client.exceptions.from_code(error.code) if modelled else ClientError)


def test_an_unknown_functions_body_is_the_recorded_one():
    body = json.loads(WIRE.error(errors.ResourceNotFound("Function not found: x"), "r").body)
    assert body == {"Type": "User", "Message": "Function not found: x"}


def test_a_throttles_body_names_the_empty_pool():
    body = json.loads(WIRE.error(errors.TooManyRequests("ConcurrentInvocationLimitExceeded"), "r").body)
    assert body == {"Type": "User", "message": "Rate Exceeded.", "Reason": "ConcurrentInvocationLimitExceeded"}


def test_a_throttle_that_knows_when_to_come_back_says_so_in_a_header():
    error = errors.TooManyRequests("CallerRateLimitExceeded")
    error.retry_after_s = 3
    reply = WIRE.error(error, "r")
    assert reply.headers["retry-after"] == "3"
    assert "retryAfterSeconds" not in json.loads(reply.body)


def test_a_violations_body_has_a_message_and_no_type():
    assert json.loads(WIRE.error(errors.ValidationFailed("1 validation error"), "r").body) == {
        "message": "1 validation error"
    }


def test_an_error_that_the_model_lacks_still_has_type_and_message():
    reply = WIRE.error(errors.RequestTooLarge("Request must be smaller"), "r")
    assert reply.headers["x-amzn-errortype"] == "RequestEntityTooLargeException"
    assert json.loads(reply.body) == {"Type": "User", "Message": "Request must be smaller"}
