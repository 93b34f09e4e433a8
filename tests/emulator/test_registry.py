"""Function names, partial ARNs and ARNs."""

from __future__ import annotations

import pytest

from labkit.emulator.registry import Reference, Registry, parse_reference
from labkit.errors import InvalidParameterValue, ResourceNotFound

ARN = "arn:aws:lambda:us-east-1:123456789012:function:f"


@pytest.mark.parametrize("text", ["f", "123456789012:function:f", ARN])
def test_all_spellings_mean_the_same_function(text):
    assert parse_reference(text) == Reference("f")


@pytest.mark.parametrize("text", ["f:v1", f"{ARN}:v1"])
def test_a_qualifier_may_be_part_of_the_name(text):
    assert parse_reference(text) == Reference("f", "v1")


def test_two_qualifiers_must_agree():
    assert parse_reference("f:v1", "v1") == Reference("f", "v1")
    with pytest.raises(InvalidParameterValue, match="does not match"):
        parse_reference("f:v1", "v2")


@pytest.mark.parametrize("text", ["", "a b", "f:", "../f", "x" * 65, "arn:aws:s3:::f", "f\n"])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(InvalidParameterValue):
        parse_reference(text)


def test_a_qualifier_that_does_not_exist_is_named():
    registry = Registry(account_id="123456789012", region="us-east-1")
    with pytest.raises(
        ResourceNotFound, match=r"^Function not found: arn:aws:lambda:us-east-1:123456789012:function:f:v9$"
    ):
        registry.function(Reference("f", "v9"))
