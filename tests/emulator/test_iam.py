"""What policies say about a request."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.iam import Asked, Policies, Refusal, is_for, may_assume, refusal, statements

PHOTO = "arn:aws:s3:::photos/1.jpg"
PUT = Asked("s3:PutObject", PHOTO, {"aws:username": ["ada"]})


def policy(*given):
    return statements(json.dumps({"Version": "2012-10-17", "Statement": list(given)}))


def allow(action="s3:PutObject", resource="*", **more):
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action="s3:PutObject", resource="*", **more):
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@pytest.mark.parametrize(
    ("given", "refused"),
    [
        ([], Refusal.IDENTITY),
        ([allow()], None),
        ([allow("*")], None),
        ([allow("s3:put*")], None),
        ([allow(["s3:GetObject", "s3:PutObject"])], None),
        ([allow("s3:GetObject")], Refusal.IDENTITY),
        ([allow(resource=PHOTO)], None),
        ([allow(resource=["arn:aws:s3:::other/*", "arn:aws:s3:::photos/*"])], None),
        ([allow(resource="arn:aws:s3:::photos")], Refusal.IDENTITY),
        ([allow(resource="arn:aws:s3:::${aws:username}/*")], Refusal.IDENTITY),
        ([allow("*"), deny()], Refusal.DENIED_BY_IDENTITY),
        ([allow("*"), deny(resource="arn:aws:s3:::other/*")], None),
        ([{"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}], None),
        ([{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}], Refusal.IDENTITY),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::other/*"}], None),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::photos/*"}], Refusal.IDENTITY),
        ([allow(Condition={"StringEquals": {"aws:username": "ada"}})], None),
        ([allow(Condition={"StringEquals": {"aws:username": "eve"}})], Refusal.IDENTITY),
        ([allow(), deny(Condition={"StringEquals": {"aws:username": "eve"}})], None),
    ],
)
def test_what_a_roles_policies_say(given, refused):
    assert refusal(Policies(policy(*given)), PUT) is refused


def test_variables_are_of_the_second_version_only():
    own = allow(resource="arn:aws:s3:::photos/${aws:username}/*")
    mine = Asked("s3:PutObject", "arn:aws:s3:::photos/ada/1.jpg", PUT.context)
    assert refusal(Policies(policy(own)), mine) is None
    assert refusal(Policies(statements({"Statement": own})), mine) is Refusal.IDENTITY


def test_an_operation_without_a_resource_needs_a_statement_about_everything():
    buckets = Asked("s3:ListAllMyBuckets")
    assert refusal(Policies(policy(allow("s3:*"))), buckets) is None
    assert refusal(Policies(policy(allow("s3:*", "arn:aws:s3:::*"))), buckets) is Refusal.IDENTITY


@pytest.mark.parametrize(("name", "lacks"), [("boundary", Refusal.BOUNDARY), ("session", Refusal.SESSION)])
def test_limits_must_allow_it_too_and_give_nothing(name, lacks):
    everything, reads = policy(allow("*")), policy(allow("s3:Get*"))
    assert refusal(Policies(everything, **{name: reads}), PUT) is lacks
    assert refusal(Policies(everything, **{name: everything}), PUT) is None
    assert refusal(Policies((), **{name: everything}), PUT) is Refusal.IDENTITY
    assert refusal(Policies(everything, **{name: policy(deny())}), PUT).explicit


def test_a_resource_may_allow_what_the_identity_does_not_and_deny_what_it_does():
    assert refusal(Policies(), PUT, of_resource=policy(allow())) is None
    assert refusal(Policies(policy(allow("*"))), PUT, of_resource=policy(deny())) is Refusal.DENIED_BY_RESOURCE


LAMBDA = {"Service": "lambda.amazonaws.com"}


@pytest.mark.parametrize(
    ("given", "assumed"),
    [
        ([{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": LAMBDA}], True),
        (
            [{"Effect": "Allow", "Action": "sts:*", "Principal": {"Service": ["ec2.amazonaws.com", *LAMBDA.values()]}}],
            True,
        ),
        ([{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "ec2.amazonaws.com"}}], False),
        ([{"Effect": "Allow", "Action": "sts:TagSession", "Principal": LAMBDA}], False),
        ([{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}], True),
        (
            [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"},
                {"Effect": "Deny", "Action": "sts:AssumeRole", "Principal": LAMBDA},
            ],
            False,
        ),
        ([], False),
    ],
)
def test_a_trust_policy_says_who_may_be_the_role(given, assumed):
    assert may_assume(policy(*given), ["lambda.amazonaws.com"]) is assumed


def test_a_resources_statement_is_for_whom_it_names():
    (named,) = policy(allow(Principal={"AWS": ["arn:aws:iam::123456789012:role/worker"]}))
    (others,) = policy(deny(NotPrincipal={"AWS": "arn:aws:iam::123456789012:role/worker"}))
    mine, yours = ["arn:aws:iam::123456789012:role/worker"], ["arn:aws:iam::123456789012:role/other"]
    assert (is_for(named, mine), is_for(named, yours)) == (True, False)
    assert (is_for(others, mine), is_for(others, yours)) == (False, True)


@pytest.mark.parametrize(
    "document",
    ["[]", "nonsense", '{"Statement": [1]}', '{"Statement": {"Effect": "Perhaps"}}']
    + [json.dumps({"Statement": allow(Condition=c)}) for c in ("x", {"StringEquals": 1}, {"Alike": {"a": "b"}})],
)
def test_what_is_no_policy_is_an_error(document):
    with pytest.raises(ValueError):  # noqa: PT011 - json's own and ours
        statements(document)


# --- whatever the policies are ------------------------------------------------------------------------------

SOME = st.builds(
    lambda effect, action, resource, condition: {
        "Effect": effect, "Action": action, "Resource": resource, **condition
    },
    st.sampled_from(["Allow", "Deny"]),
    st.sampled_from(["s3:PutObject", "s3:Get*", "*", "sqs:*"]),
    st.sampled_from(["*", PHOTO, "arn:aws:s3:::photos/*", "arn:aws:s3:::other/*", "arn:aws:s3:::${aws:username}/*"]),
    st.sampled_from([{}, {"Condition": {"StringEquals": {"aws:username": "ada"}}}, {"Condition": {"Null": {"x": "false"}}}]),
)  # fmt: skip
ASKED = st.builds(
    Asked,
    st.sampled_from(["s3:PutObject", "s3:GetObject", "sqs:SendMessage"]),
    st.sampled_from([PHOTO, "arn:aws:s3:::other/x", "*"]),
    st.sampled_from([{}, {"aws:username": ["ada"]}, {"aws:username": ["photos"]}]),
)
MANY = st.lists(SOME, max_size=6)


@given(MANY, ASKED)
def test_a_deny_about_everything_always_wins(given, asked):
    assert refusal(Policies(policy(*given, deny("*"))), asked) is Refusal.DENIED_BY_IDENTITY
    assert refusal(Policies(policy(*given)), asked, of_resource=policy(allow("*"), deny("*"))) is not None


@given(MANY, SOME, ASKED)
def test_one_more_allow_never_takes_a_permission_away(given, another, asked):
    before = refusal(Policies(policy(*given)), asked)
    after = refusal(Policies(policy(*given, another | {"Effect": "Allow"})), asked)
    assert after is None if before is None else after in (None, before)


@given(MANY, SOME, ASKED)
def test_one_more_deny_never_gives_a_permission(given, another, asked):
    if refusal(Policies(policy(*given)), asked) is not None:
        assert refusal(Policies(policy(*given, another | {"Effect": "Deny"})), asked) is not None


@given(MANY, MANY, ASKED)
def test_a_boundary_never_gives_a_permission(given, boundary, asked):
    if refusal(Policies(policy(*given)), asked) is not None:
        assert refusal(Policies(policy(*given), boundary=policy(*boundary)), asked) is not None


@given(st.permutations(range(4)), st.lists(SOME, min_size=4, max_size=4), ASKED)
def test_the_order_of_statements_does_not_matter(order, given, asked):
    shuffled = [given[i] for i in order]
    assert refusal(Policies(policy(*given)), asked) is refusal(Policies(policy(*shuffled)), asked)
