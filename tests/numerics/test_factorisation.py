"""Alternating least squares: it descends to a stationary point, and recovers what it can."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.numerics.errors import BadData
from labkit.numerics.factorisation import als, gradients, objective
from labkit.numerics.layers import checked_gradient

seeds = st.integers(0, 2**32 - 1)


def ratings(seed, n=30, m=20, rank=2, noise=0.1, share=0.6):
    random = np.random.default_rng(seed)
    R = random.normal(size=(n, rank)) @ random.normal(size=(rank, m)) + noise * random.normal(size=(n, m))
    return R, random.random((n, m)) < share


@settings(max_examples=20, deadline=None)
@given(seed=seeds, alpha=st.floats(0.01, 10))
def test_no_sweep_raises_the_objective(seed, alpha):
    R, known = ratings(seed)
    values = als(R, known, rank=3, alpha=alpha, sweeps=8).certificate.objective
    assert all(b <= a * (1 + 1e-12) for a, b in itertools.pairwise(values))


def test_many_sweeps_end_where_the_gradient_vanishes():
    R, known = ratings(1)
    assert als(R, known, rank=2, alpha=1.0, sweeps=400).certificate.gradient < 1e-8


def test_the_gradient_is_that_of_central_differences():
    R, known = ratings(2, n=5, m=4)
    random = np.random.default_rng(0)
    U, V = random.normal(size=(5, 2)), random.normal(size=(4, 2))
    by_u, by_v = gradients(R, known, U, V, 0.3)
    assert checked_gradient(lambda u: objective(R, known, u, V, 0.3), U, by_u) < 1e-8
    assert checked_gradient(lambda v: objective(R, known, U, v, 0.3), V, by_v) < 1e-8


def test_hidden_entries_are_recovered_to_about_the_noise():
    R, known = ratings(3, n=300, m=120, rank=3, noise=0.3, share=0.3)
    factors = als(R, known, rank=3, alpha=1.0, sweeps=12)
    hidden = (R - factors.U @ factors.V.T)[~known]
    assert np.sqrt((hidden**2).mean()) < 0.4
    assert factors.certificate.rmse < 0.3


def test_a_row_without_ratings_gets_zeros_and_nan_counts_as_unknown():
    R, known = ratings(4)
    R[~known] = np.nan
    R[0] = np.nan
    factors = als(R, rank=2)
    assert (factors.U[0] == 0).all()
    assert np.isfinite(factors.V).all()


def test_the_same_seed_gives_the_same_factors_bit_by_bit():
    R, known = ratings(5)
    assert (als(R, known, rank=2, seed=7).U == als(R, known, rank=2, seed=7).U).all()


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: als(np.ones((3, 2)), rank=3), "rank is 3, sweeps 12; expected a rank of 1 to 2"),
        (lambda: als(np.ones((3, 2)), np.ones((2, 3)), rank=1), "expected two alike"),
        (lambda: als(np.full((3, 2), np.nan), rank=1), "with 0 entries"),
        (lambda: als(np.ones((3, 2)), rank=1, alpha=0), "alpha is 0; expected a finite number above 0"),
        (lambda: als([[np.inf, 1.0], [1.0, 1.0]], rank=1), "R holds inf in row 0"),
    ],
)
def test_what_cannot_be_factored_is_refused(call, found):
    with pytest.raises(BadData, match=found):
        call()
