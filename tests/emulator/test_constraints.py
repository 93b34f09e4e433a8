"""AWS's words for what a request breaks. The long messages are recorded ones, apart from the account and the region."""

from __future__ import annotations

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.constraints import CORRECTED_MAX, Constraints, compiled_pattern, matches, python_pattern
from labkit.errors import InvalidParameterValue, ValidationFailed

MODEL = ServiceModel(Loader().load_service_model("lambda", "service-2"))
SHAPES = {name: MODEL.shape_for(name) for name in MODEL.shape_names}
ROLE = "arn:aws:iam::123456789012:role/lab"
CREATE = {"FunctionName": "double", "Role": ROLE, "Code": {}}
LAYER = SHAPES["LayerVersionArn"].metadata["pattern"]


def complaint(operation, params):
    with pytest.raises(ValidationFailed) as caught:
        Constraints().check(MODEL.operation_model(operation).input_shape, params)
    return caught.value.message


def one(value, path, rule):
    return f"1 validation error detected: Value{value} at '{path}' failed to satisfy constraint: {rule}"


def test_a_request_that_keeps_every_rule_passes():
    Constraints().check(MODEL.operation_model("CreateFunction").input_shape, CREATE | {"Runtime": "python3.13"})


@pytest.mark.parametrize(
    ("member", "value", "path", "rule"),
    [
        ("MemorySize", 129000, "memorySize", "Member must have value less than or equal to 10240"),
        ("MemorySize", 64, "memorySize", "Member must have value greater than or equal to 128"),
        ("Timeout", 901, "timeout", "Member must have value less than or equal to 900"),
        ("Timeout", 0, "timeout", "Member must have value greater than or equal to 1"),
        ("Description", "d" * 257, "description", "Member must have length less than or equal to 256"),
        ("PackageType", "Tar", "packageType", "Member must satisfy enum value set: [Zip, Image]"),
        ("Handler", "a b", "handler", r"Member must satisfy regular expression pattern: [^\s]+"),
        ("KMSKeyArn", "key", "kMSKeyArn", SHAPES["KMSKeyArn"].metadata["pattern"]),
        ("Role", "teste", "role", SHAPES["RoleArn"].metadata["pattern"]),
    ],
)
def test_a_broken_rule_is_told_in_awss_words(member, value, path, rule):
    rule = rule if rule.startswith("Member") else f"Member must satisfy regular expression pattern: {rule}"
    assert complaint("CreateFunction", CREATE | {member: value}) == one(f" '{value}'", path, rule)


@pytest.mark.parametrize(("member", "least", "most"), [("MemorySize", 128, 10_240), ("Timeout", 1, 900)])
def test_a_limit_itself_is_allowed(member, least, most):
    shape = MODEL.operation_model("CreateFunction").input_shape
    Constraints().check(shape, CREATE | {member: least})
    Constraints().check(shape, CREATE | {member: most})


def test_a_missing_member_is_null():
    said = complaint("CreateFunction", {"FunctionName": "double", "Role": ROLE})
    assert said == one(" null", "code", "Member must not be null")


def test_all_violations_are_told_at_once():
    said = complaint("CreateFunction", {"FunctionName": "double", "Code": {}, "Timeout": 0})
    assert said == (
        "2 validation errors detected: "
        "Value null at 'role' failed to satisfy constraint: Member must not be null; "
        "Value '0' at 'timeout' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )


def test_one_value_may_break_several_rules():
    said = complaint("GetFunction", {"FunctionName": "!" * 300})
    assert said.startswith("2 validation errors detected: ")
    assert said.count("at 'functionName'") == 2


def test_a_nested_member_has_a_path():
    said = complaint("CreateFunction", CREATE | {"EphemeralStorage": {"Size": 511}})
    assert said == one(" '511'", "ephemeralStorage.size", "Member must have value greater than or equal to 512")


def test_a_structure_in_a_list_is_numbered_from_one():
    mapping = {"FunctionName": "double", "FilterCriteria": {"Filters": [{"Pattern": "{}"}, {"Pattern": "x" * 4097}]}}
    said = complaint("CreateEventSourceMapping", mapping)
    assert said.endswith(
        "' at 'filterCriteria.filters.2.member.pattern' failed to satisfy constraint: "
        "Member must have length less than or equal to 4096"
    )


def test_the_plain_items_of_a_list_are_judged_together():
    rule = (
        "Member must satisfy constraint: [Member must have length less than or equal to 2048, "
        "Member must have length greater than or equal to 1, "
        f"Member must satisfy regular expression pattern: {LAYER}, Member must not be null]"
    )
    assert complaint("CreateFunction", CREATE | {"Layers": ["a", "b"]}) == one(" '[a, b]'", "layers", rule)


def test_a_list_of_the_wrong_length_is_told_by_itself():
    said = complaint("CreateFunction", CREATE | {"Architectures": ["x86_64", "arm64"]})
    assert said == one(" '[x86_64, arm64]'", "architectures", "Member must have length less than or equal to 1")


def test_a_lists_enum_is_in_brackets():
    rule = (
        "Member must satisfy constraint: [Member must satisfy enum value set: [x86_64, arm64], Member must not be null]"
    )
    assert complaint("CreateFunction", CREATE | {"Architectures": ["X64"]}) == one(" '[X64]'", "architectures", rule)


def test_a_maps_keys_are_judged_together():
    alias = {"FunctionName": "f", "Name": "live", "FunctionVersion": "1"}
    rule = (
        "Map keys must satisfy constraint: [Member must have length less than or equal to 1024, "
        "Member must have length greater than or equal to 1, "
        "Member must satisfy regular expression pattern: [0-9]+, Member must not be null]"
    )
    said = complaint("CreateAlias", alias | {"RoutingConfig": {"AdditionalVersionWeights": {"beta": 0.5}}})
    assert said == one(" '{beta=0.5}'", "routingConfig.additionalVersionWeights", rule)


def test_a_maps_values_are_judged_together():
    alias = {"FunctionName": "f", "Name": "live", "FunctionVersion": "1"}
    rule = (
        "Map value must satisfy constraint: [Member must have value less than or equal to 1.0, "
        "Member must have value greater than or equal to 0.0, Member must not be null]"
    )
    said = complaint("CreateAlias", alias | {"RoutingConfig": {"AdditionalVersionWeights": {"2": 1.2}}})
    assert said == one(" '{2=1.2}'", "routingConfig.additionalVersionWeights", rule)


def test_a_list_inside_a_map_is_found_under_its_key():
    mapping = {"FunctionName": "f", "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["nowhere"]}}}
    said = complaint("CreateEventSourceMapping", mapping)
    assert "'[nowhere]' at 'selfManagedEventSource.endpoints.KAFKA_BOOTSTRAP_SERVERS.member' failed" in said


def test_a_secret_is_not_repeated():
    said = complaint("CreateFunction", CREATE | {"Environment": {"Variables": {"_KEY": "hunter2"}}})
    assert said.startswith("1 validation error detected: Value at 'environment.variables' failed")
    assert "hunter2" not in said


def test_an_unknown_runtime_is_lambdas_own_complaint():
    with pytest.raises(InvalidParameterValue, match="Value python2 at 'runtime' failed to satisfy constraint"):
        Constraints().check(MODEL.operation_model("CreateFunction").input_shape, CREATE | {"Runtime": "python2"})


def test_another_violation_comes_before_an_unknown_runtime():
    said = complaint("CreateFunction", CREATE | {"Runtime": "python2", "Timeout": 0})
    assert said.startswith("1 validation error detected: Value '0' at 'timeout'")


def test_an_unknown_runtime_in_a_list_is_an_ordinary_violation():
    said = complaint(
        "PublishLayerVersion", {"LayerName": "l", "Content": {"ZipFile": b""}, "CompatibleRuntimes": ["python2"]}
    )
    assert said.startswith("1 validation error detected: Value '[python2]' at 'compatibleRuntimes' failed")


def test_a_corrected_maximum_names_a_shape_that_there_is():
    assert {name: SHAPES[name].type_name for name in CORRECTED_MAX} == dict.fromkeys(CORRECTED_MAX, "integer")


# --- patterns -----------------------------------------------------------------------------------------------


def test_python_can_say_every_pattern_of_the_model():
    patterns = {shape.metadata["pattern"] for shape in SHAPES.values() if "pattern" in shape.metadata}
    assert len(patterns) > 50
    assert [pattern for pattern in patterns if compiled_pattern(pattern) is None] == []


def test_no_pattern_nests_classes_which_would_mean_something_else_in_python():
    patterns = {shape.metadata.get("pattern", "") for shape in SHAPES.values()}
    assert [pattern for pattern in patterns if "[[" in pattern or "&&" in pattern] == []


@pytest.mark.parametrize(
    "name",
    [
        "double",
        "double:live",
        "double:$LATEST",
        "123456789012:function:double",
        "function:double",
        "arn:aws:lambda:us-east-1:123456789012:function:double",
        "arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:double:7",
    ],
)
def test_a_function_may_be_named_by_name_partial_arn_and_arn(name):
    assert matches(SHAPES["FunctionName"].metadata["pattern"], name)


@pytest.mark.parametrize("name", ["", "a b", "double:", "arn:aws:sqs:us-east-1:123456789012:double", "double\n", "é"])
def test_what_is_no_functions_name_does_not_match(name):
    assert not matches(SHAPES["FunctionName"].metadata["pattern"], name)


@pytest.mark.parametrize(
    ("text", "good"), [("Größe 水 ٣", True), ("a_b.c:/=+-@", True), ("a#b", False), ("a\nb", False)]
)
def test_a_tag_takes_letters_of_all_scripts(text, good):
    assert matches(SHAPES["TagKey"].metadata["pattern"], text) is good


@pytest.mark.parametrize("end", ["\n", "\r", "\u0085", "\u2028", "\u2029"])
def test_a_dot_stops_at_javas_line_ends(end):
    assert not matches(".*", f"a{end}b")


def test_a_dot_in_a_class_is_a_dot():
    assert python_pattern(r"[.]\.") == r"[.]\."


def test_a_digit_is_an_ascii_digit():
    assert not matches(r"\d+", "٣")


def test_a_pattern_that_python_cannot_read_refuses_nothing():
    assert matches(r"\p{Sideways}", "anything")


@given(st.characters())
def test_a_category_has_the_letters_that_unicode_says(letter):
    assert matches(r"\p{L}", letter) is letter.isalpha()
