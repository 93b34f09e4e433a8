"""A verifier that has let a request through takes a short way with the next one, to the same end."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.emulator.signing import Credentials
from labkit.errors import ServiceError
from tests.emulator.test_signing import (
    ENDPOINT,
    KEY,
    SECRET,
    bodies,
    changed,
    check,
    headers,
    paths,
    plain_paths,
    refusal,
    signed,
    verifier,
)


def by_name(request):
    """As the front door hands on a request that has each header once."""
    return replace(request, headers=dict(request.headers))


def outcome(request, by, at):
    try:
        check(request, at=at, by=by)
    except ServiceError as error:
        return error.code, str(error)
    return "passed"


@settings(deadline=None)
@given(
    paths | plain_paths, headers.filter(lambda fields: len({n.lower() for n, _ in fields}) == len(fields)), bodies,
    st.sampled_from([None, "token"]), st.data(),
)  # fmt: skip
def test_who_has_passed_before_is_judged_as_a_stranger_is(path, fields, body, token, data):
    """A verifier that has let a request like this one through takes a shorter way, with the same end."""
    known = Credentials(KEY, SECRET, token or "")
    sent = signed(ENDPOINT + path, headers=fields, body=body, token=token)
    twice, warm, at = quote(path).encode(), verifier(known), sent.signed_at()
    head, signature = sent.header(b"authorization").rsplit(b"=", 1)
    stamp = sent.header(b"x-amz-date")
    altered = [
        sent, replace(sent, method="PUT"), replace(sent, path=changed(sent.path, data.draw)), replace(sent, path=twice),
        replace(sent, body=body + b" "), sent.with_header(b"authorization", head + b"=" + changed(signature, data.draw)),
        sent.with_header(b"x-amz-date", stamp[:-1]), sent.with_header(b"x-amz-date", stamp[:-3] + b"99Z"),
        sent.with_header(b"x-amz-date", None), sent.with_header(b"host", b"elsewhere"), sent.with_header(b"host", None),
        sent.with_header(b"x-amz-content-sha256", b"UNSIGNED-PAYLOAD"), sent.with_header(b"x-amz-security-token", b"x"),
        replace(sent, query=b"a=1"), *(sent.with_header(name.lower().encode(), b"another") for name, _ in fields),
    ]  # fmt: skip
    check(by_name(sent), by=warm)
    times = [at, at - 301, at + 299, at + 301, at + 86400]
    for request, now in [*((one, at) for one in altered), *((sent, now) for now in times)]:
        for _ in range(2):
            assert outcome(by_name(request), warm, now) == outcome(by_name(request), verifier(known), now)


def test_who_has_passed_before_is_a_stranger_again_when_his_key_is_forgotten():
    by, sent = verifier(), by_name(signed())
    check(sent, by=by)
    by.forget(KEY)
    assert refusal(sent, by=by)[0] == "UnrecognizedClientException"
