"""Lineage: a function is counted in its chain, others keep their counts, and sixteen invocations are enough."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.lineage import KEY, MOST_FUNCTIONS, MOST_INVOCATIONS, continued, digest, is_loop

ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0"


def chain(names, start=ROOT):
    header = start
    for name in names:
        header = continued(header, name)
    return header


def test_the_seventeenth_invocation_of_a_chain_is_one_too_many():
    header = chain(["f"] * MOST_INVOCATIONS)
    assert not is_loop(header, "f")
    assert is_loop(continued(header, "f"), "f")


def test_the_rest_of_the_header_stays():
    assert chain(["f"] * 3).startswith(f"{ROOT};{KEY}")


@given(st.lists(st.sampled_from("abc"), max_size=80))
def test_functions_are_counted_apart(names):
    header = chain(names)
    for name in "abc":
        assert is_loop(header, name) == (names.count(name) > MOST_INVOCATIONS)


def test_a_header_does_not_grow_without_end():
    assert len(chain([f"f{i}" for i in range(100)]).partition(KEY)[2].split("|")) == MOST_FUNCTIONS


def test_an_encoded_bar_is_read_as_one():
    header = f"Root=1;{KEY}{digest('f')}:{MOST_INVOCATIONS - 1}%7C{digest('g')}:2"
    assert is_loop(continued(header, "f"), "f")


@pytest.mark.parametrize("lineage", ["", "nonsense", "a:b|c:-1", "|||", f"{digest('f')}:99999999999999999999", "a:1:2"])
def test_what_cannot_be_read_is_nobodys(lineage):
    header = continued(f"Root=1;{KEY}{lineage}", "f")
    assert not is_loop(header, "f")
    assert header.endswith(f"{digest('f')}:0")
