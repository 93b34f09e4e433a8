"""Which notifications of one bucket S3 takes side by side."""

from __future__ import annotations

import pytest

from labkit.mockaws.overlaps import Rule, is_ambiguous, rule_of

PUT, COPY, CREATED, REMOVED = (
    "s3:ObjectCreated:Put",
    "s3:ObjectCreated:Copy",
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
)


@pytest.mark.parametrize(
    ("one", "other", "ambiguous"),
    [
        (Rule([PUT]), Rule([PUT]), True),
        (Rule([CREATED]), Rule([PUT]), True),
        (Rule([COPY]), Rule([REMOVED, CREATED]), True),
        (Rule([PUT]), Rule([COPY]), False),
        (Rule([CREATED]), Rule([REMOVED]), False),
        (Rule([PUT], "in/"), Rule([PUT], "out/"), False),
        (Rule([PUT], "in/"), Rule([PUT], "in/cats/"), True),
        (Rule([PUT], "in/"), Rule([PUT]), True),
        (Rule([PUT], "in/", ".jpg"), Rule([PUT], "in/", ".png"), False),
        (Rule([PUT], "", ".jpg"), Rule([PUT], "in/", "cat.jpg"), True),
    ],
)
def test_two_rules_are_ambiguous_if_one_event_could_mean_both(one, other, ambiguous):
    assert is_ambiguous([one, other]) is ambiguous
    assert is_ambiguous([other, Rule(["s3:Replication:*"]), one]) is ambiguous


def test_one_rule_alone_never_is():
    assert not is_ambiguous([Rule([PUT, CREATED])])


def test_a_rule_is_read_from_what_moto_has_read():
    read = {"Event": [PUT], "Filter": {"S3Key": {"FilterRule": [{"Name": "Prefix", "Value": "in/"}]}}}
    assert rule_of(read) == Rule([PUT], "in/")
    assert rule_of({"Event": [PUT]}) == Rule([PUT])
