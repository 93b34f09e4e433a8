"""Versions and aliases from Python."""

from __future__ import annotations

from collections import Counter

import pytest

from labkit.client.alias import Alias, alias_of, check
from labkit.errors import BadAlias, UnknownFunction

VERSIONS = ["$LATEST", "1", "2"]


@pytest.mark.parametrize(
    ("version", "weights", "said"),
    [
        ("3", {}, "no version 3; it has: \\$LATEST, 1, 2"),
        ("1", {"3": 0.5}, "no version 3"),
        ("$LATESt", {}, "Did you mean \\$LATEST"),
        ("1", {"2": 1.5}, "expected 0 to 1"),
        ("1", {"2": -0.1}, "expected 0 to 1"),
        ("$LATEST", {"2": 0.1}, "takes no share"),
        ("1", {"1": 0.1}, "the alias's own already"),
        ("1", {"2": 0.1, "$LATEST": 0.1}, "at most two versions"),
    ],
)
def test_what_aws_would_refuse_is_said_with_what_there_is(version, weights, said):
    with pytest.raises(BadAlias, match=said):
        check("f", version, weights, VERSIONS)


def test_an_alias_says_where_calls_go():
    answer = {"Name": "live", "FunctionVersion": "1", "RoutingConfig": {"AdditionalVersionWeights": {"2": 0.1}}}
    assert repr(alias_of("f", answer)) == "<Alias f:live is 90% to version 1, 10% to version 2>"
    assert repr(Alias("f", "live", "3")) == "<Alias f:live is version 3>"


@pytest.mark.process
def test_a_share_of_the_calls_goes_to_the_other_version(lab):
    f = lab.deploy("f", "def handler(event, context): return 1")
    first = f.publish("the first")
    assert f.publish() == first  # unchanged
    f = lab.deploy("f", "def handler(event, context): return 2")
    second = f.publish()
    assert lab.versions("f") == ["$LATEST", first, second]
    assert f.alias("live", first, weights={second: 0.5}, description="half") in f.aliases()
    answered = Counter(f.invoke(qualifier="live").payload for _ in range(40))
    assert set(answered) == {1, 2}
    assert f.alias("live", second).weights == ()
    assert f.aliases()[0].description == "half"
    lab.delete_alias("f", "live")
    assert f.aliases() == []


@pytest.mark.process
@pytest.mark.parametrize(
    "ask",
    [
        lambda lab: lab.publish("g"),
        lambda lab: lab.versions("g"),
        lambda lab: lab.aliases("g"),
        lambda lab: lab.alias("g", "live", "1"),
        lambda lab: lab.delete_alias("g", "live"),
    ],
)
def test_an_unknown_function_is_named(lab, ask):
    with pytest.raises(UnknownFunction, match="No function `g`"):
        ask(lab)
