"""Layers: gradients against the complex step and central differences, and exact identities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import correlate

from labkit.numerics.errors import BadData
from labkit.numerics.layers import (
    checked_gradient,
    conv,
    conv_backward,
    cross_entropy,
    cross_entropy_backward,
    dense,
    dense_backward,
    max_pool,
    max_pool_backward,
    rnn,
    rnn_backward,
    state_jacobian,
)

seeds = st.integers(0, 2**32 - 1)


def arrays(seed, *shapes):
    random = np.random.default_rng(seed)
    return [random.normal(size=shape) for shape in shapes]


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_convolution_is_scipys_cross_correlation(seed):
    x, k = arrays(seed, (2, 3, 6, 5), (4, 3, 3, 2))
    out = conv(x, k, np.zeros(4))
    for n in range(2):
        for o in range(4):
            assert out[n, o] == pytest.approx(correlate(x[n], k[o], mode="valid")[0])


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_shifting_the_image_shifts_the_result_exactly(seed):
    x, k, b = arrays(seed, (1, 1, 8, 8), (2, 1, 3, 3), (2,))
    assert conv(x[:, :, 1:, 2:], k, b) == pytest.approx(conv(x, k, b)[:, :, 1:, 2:], abs=1e-14)


@settings(max_examples=6, deadline=None)
@given(seed=seeds)
def test_gradients_of_convolution_are_those_of_the_complex_step(seed):
    x, k, b, g = arrays(seed, (2, 2, 5, 4), (3, 2, 3, 2), (3,), (2, 3, 3, 3))
    by_x, by_k, by_b = conv_backward(x, k, g)
    for at, gradient, loss in (
        (x, by_x, lambda v: (conv(v, k, b) * g).sum()),
        (k, by_k, lambda v: (conv(x, v, b) * g).sum()),
        (b, by_b, lambda v: (conv(x, k, v) * g).sum()),
    ):
        assert checked_gradient(loss, at, gradient, complex_step=True) < 1e-13
        assert checked_gradient(loss, at, gradient) < 1e-8


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_gradients_of_pooling_are_those_of_central_differences(seed):
    x, g = arrays(seed, (2, 2, 4, 6), (2, 2, 2, 3))
    gradient = max_pool_backward(x, 2, g)
    # a step of 1e-5 must not change which entry is largest
    if np.diff(np.sort(x.ravel())).min() > 2e-5:
        assert checked_gradient(lambda v: (max_pool(v, 2) * g).sum(), x, gradient) < 1e-8


def test_an_off_by_one_in_pooling_is_found_by_the_check():
    x, g = arrays(3, (1, 1, 4, 4), (1, 1, 2, 2))
    wrong = np.roll(max_pool_backward(x, 2, g), 1, axis=3)
    assert checked_gradient(lambda v: (max_pool(v, 2) * g).sum(), x, wrong) > 0.1


@settings(max_examples=6, deadline=None)
@given(seed=seeds, steps=st.integers(1, 5))
def test_back_propagation_through_time_is_the_complex_step(seed, steps):
    x, h, W, V, b, g = arrays(seed, (2, steps, 3), (2, 4), (4, 4), (4, 3), (4,), (2, steps + 1, 4))
    gradients = rnn_backward(x, rnn(x, h, W, V, b), W, V, g)
    values = [x, h, W, V, b]
    for k, (at, gradient) in enumerate(zip(values, gradients, strict=True)):

        def loss(v, k=k):
            return (rnn(*values[:k], v, *values[k + 1 :]) * g).sum()

        assert checked_gradient(loss, at, gradient, complex_step=True) < 1e-12


@settings(max_examples=15, deadline=None)
@given(seed=seeds)
def test_the_jacobian_of_the_last_state_is_below_its_bound_and_is_what_back_propagation_says(seed):
    x, W, V = arrays(seed, (1, 6, 2), (3, 3), (3, 2))
    states = rnn(x, np.zeros((1, 3)), W, V, np.zeros(3))
    J = state_jacobian(states[0], W)
    largest = np.prod([(1 - s**2).max() for s in states[0, 1:]])
    assert np.linalg.norm(J, 2) <= np.linalg.norm(W, 2) ** 6 * largest * (1 + 1e-12)
    for k in range(3):
        g = np.zeros((1, 7, 3))
        g[0, -1, k] = 1
        assert rnn_backward(x, states, W, V, g)[1][0] == pytest.approx(J[k], abs=1e-12)


@settings(max_examples=10, deadline=None)
@given(seed=seeds)
def test_gradients_of_a_dense_layer_and_of_the_loss_are_those_of_the_complex_step(seed):
    x, W, b = arrays(seed, (4, 3), (5, 3), (5,))
    codes = np.random.default_rng(seed).integers(0, 5, size=4)
    g = cross_entropy_backward(dense(x, W, b), codes)
    by_x, by_w, by_b = dense_backward(x, W, g)
    for at, gradient, loss in (
        (x, by_x, lambda v: cross_entropy(dense(v, W, b), codes)),
        (W, by_w, lambda v: cross_entropy(dense(x, v, b), codes)),
        (b, by_b, lambda v: cross_entropy(dense(x, W, v), codes)),
    ):
        assert checked_gradient(loss, at, gradient, complex_step=True) < 1e-12


def test_large_scores_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        assert cross_entropy(np.array([[1e4, -1e4]]), np.array([1])) == pytest.approx(2e4)


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: conv(np.ones((1, 2, 3, 3)), np.ones((1, 1, 2, 2)), np.zeros(1)), r"kernels \(1, 1, 2, 2\)"),
        (lambda: conv(np.ones((1, 1, 2, 2)), np.ones((1, 1, 3, 3)), np.zeros(1)), "larger than the images"),
        (lambda: max_pool(np.ones((1, 1, 5, 4)), 2), "multiples of 2"),
        (lambda: rnn(np.ones((1, 2, 3)), np.ones((1, 2)), np.eye(3), np.ones((3, 3)), np.zeros(3)), "do not fit"),
        (lambda: checked_gradient(np.sum, np.ones(3), np.ones(2)), r"has the shape \(2,\)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call, found):
    with pytest.raises(BadData, match=found):
        call()
