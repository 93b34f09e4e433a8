"""Convolution, pooling and recurrent layers: forward, and backward by hand-derived gradients.

Every `backward` takes the loss's gradient by the layer's output and gives those by its inputs, in their order. It is
checked by `checked_gradient`: central differences of any function, or the complex step, which has no cancellation and
is right to rounding where the function is analytic (Squire and Trapp, SIAM Review 40, 1998). Everything but `max_pool`
accepts complex arrays for that reason.

Shapes: images (N, channels, height, width), kernels (out, in, kh, kw); sequences (N, T, inputs).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labkit.numerics.errors import BadData

# --- convolution --------------------------------------------------------------------------------------------


def windows(x: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """im2col: the (kh, kw) windows of x (N, c, h, w) as rows, (N, oh, ow, c kh kw), with oh = h - kh + 1.

    >>> windows(np.arange(6.0).reshape(1, 1, 2, 3), (2, 2))[0, 0].tolist()
    [[0.0, 1.0, 3.0, 4.0], [1.0, 2.0, 4.0, 5.0]]
    """
    view = np.lib.stride_tricks.sliding_window_view(x, size, axis=(2, 3))
    n, c, oh, ow = view.shape[:4]
    return view.transpose(0, 2, 3, 1, 4, 5).reshape(n, oh, ow, c * size[0] * size[1])


def conv(x: np.ndarray, kernels: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Valid cross-correlation, stride 1: out[n, o, i, j] = bias[o] + Σ x[n, c, i+a, j+b] kernels[o, c, a, b].

    One matrix product of `windows`. (What is called convolution in networks does not flip the kernel: Goodfellow,
    Bengio and Courville, Deep Learning, 9.1.) Raises BadData.

    >>> conv(np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2)), np.zeros(1))[0, 0].tolist()
    [[4.0, 4.0], [4.0, 4.0]]
    """
    if x.ndim != 4 or kernels.ndim != 4 or x.shape[1] != kernels.shape[1] or bias.shape != kernels.shape[:1]:
        raise BadData(
            f"x has the shape {x.shape}, kernels {kernels.shape}, bias {bias.shape}; expected (N, in, h, w), "
            "(out, in, kh, kw) and (out,)."
        )
    if x.shape[2] < kernels.shape[2] or x.shape[3] < kernels.shape[3]:
        raise BadData(f"The kernels {kernels.shape[2:]} are larger than the images {x.shape[2:]}. Try padding.")
    flat = kernels.reshape(len(kernels), -1)
    return (windows(x, kernels.shape[2:]) @ flat.T + bias).transpose(0, 3, 1, 2)


def conv_backward(
    x: np.ndarray, kernels: np.ndarray, gradient: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by x, kernels and bias. By x it is the full convolution with the kernels flipped.

    >>> x, k = np.ones((1, 1, 3, 3)), np.ones((1, 1, 2, 2))
    >>> conv_backward(x, k, np.ones((1, 1, 2, 2)))[0][0, 0].tolist()
    [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
    """
    kh, kw = kernels.shape[2:]
    rows = gradient.transpose(0, 2, 3, 1)
    by_kernels = np.einsum("nijo,nijk->ok", rows, windows(x, (kh, kw)), optimize=True).reshape(kernels.shape)
    padded = np.pad(gradient, ((0, 0), (0, 0), (kh - 1, kh - 1), (kw - 1, kw - 1)))
    turned = kernels[:, :, ::-1, ::-1].transpose(1, 0, 2, 3)
    by_x = conv(padded, turned, np.zeros(len(turned)))
    return by_x, by_kernels, gradient.sum(axis=(0, 2, 3))


def max_pool(x: np.ndarray, size: int) -> np.ndarray:
    """The largest of each size × size block of x (N, c, h, w). Height and width must be multiples of size.

    >>> max_pool(np.arange(16.0).reshape(1, 1, 4, 4), 2)[0, 0].tolist()
    [[5.0, 7.0], [13.0, 15.0]]
    """
    return _blocks(x, size).max(axis=-1)


def max_pool_backward(x: np.ndarray, size: int, gradient: np.ndarray) -> np.ndarray:
    """The gradient by x: all to the first largest entry of each block.

    >>> max_pool_backward(np.arange(4.0).reshape(1, 1, 2, 2), 2, np.ones((1, 1, 1, 1)))[0, 0].tolist()
    [[0.0, 0.0], [0.0, 1.0]]
    """
    blocks = _blocks(x, size)
    chosen = np.arange(size * size) == blocks.argmax(axis=-1)[..., None]
    n, c, oh, ow = gradient.shape
    spread = (chosen * gradient[..., None]).reshape(n, c, oh, ow, size, size)
    return spread.transpose(0, 1, 2, 4, 3, 5).reshape(x.shape)


def _blocks(x: np.ndarray, size: int) -> np.ndarray:
    if x.ndim != 4 or x.shape[2] % size or x.shape[3] % size:
        raise BadData(f"x has the shape {x.shape}; expected (N, c, h, w) with h and w multiples of {size}.")
    n, c, h, w = x.shape
    return (
        x.reshape(n, c, h // size, size, w // size, size)
        .transpose(0, 1, 2, 4, 3, 5)
        .reshape(n, c, h // size, w // size, size * size)
    )


# --- recurrence ---------------------------------------------------------------------------------------------


def rnn(x: np.ndarray, start: np.ndarray, W: np.ndarray, V: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Hidden states (N, T + 1, units) of hₜ = tanh(xₜ Vᵀ + hₜ₋₁ Wᵀ + bias), the start first (Elman 1990).

    x (N, T, inputs), start (N, units), W (units, units), V (units, inputs), bias (units,). Raises BadData.

    >>> one = np.ones((1, 1))
    >>> rnn(np.zeros((1, 2, 1)), 0 * one, one, one, np.ones(1))[0, :, 0].round(4).tolist()
    [0.0, 0.7616, 0.9427]
    """
    units = len(W)
    if (
        x.ndim != 3
        or W.shape != (units, units)
        or V.shape != (units, x.shape[2])
        or bias.shape != (units,)
        or start.shape != (len(x), units)
    ):
        raise BadData(
            f"x {x.shape}, start {start.shape}, W {W.shape}, V {V.shape}, bias {bias.shape} do not fit; expected "
            "(N, T, inputs), (N, units), (units, units), (units, inputs) and (units,)."
        )
    states = [start]
    for t in range(x.shape[1]):
        states.append(np.tanh(x[:, t] @ V.T + states[-1] @ W.T + bias))
    return np.stack(states, axis=1)


def rnn_backward(
    x: np.ndarray, states: np.ndarray, W: np.ndarray, V: np.ndarray, gradient: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Back-propagation through time: gradients by x, start, W, V and bias.

    `states` are what `rnn` gave, `gradient` (N, T + 1, units) the loss's by them. Backwards,
    δₜ = (gₜ + δₜ₊₁ W)(1 - hₜ²)
    (Werbos, Proceedings of the IEEE 78, 1990).

    >>> x, h = np.zeros((1, 1, 1)), np.zeros((1, 2, 1))
    >>> rnn_backward(x, h, np.full((1, 1), 0.5), np.eye(1), np.array([[[0.0], [1.0]]]))[1].tolist()
    [[0.5]]
    """
    by_x, by_w, by_v = np.zeros(x.shape, gradient.dtype), np.zeros_like(W), np.zeros_like(V)
    by_bias = np.zeros(len(W), gradient.dtype)
    carried = gradient[:, -1]
    for t in reversed(range(x.shape[1])):
        inner = carried * (1 - states[:, t + 1] ** 2)
        by_w = by_w + inner.T @ states[:, t]
        by_v = by_v + inner.T @ x[:, t]
        by_bias = by_bias + inner.sum(axis=0)
        by_x[:, t] = inner @ V
        carried = gradient[:, t] + inner @ W
    return by_x, carried, by_w, by_v, by_bias


def state_jacobian(states: np.ndarray, W: np.ndarray) -> np.ndarray:
    """∂h_T/∂h_0 (units, units) of one sequence, states (T + 1, units): Π diag(1 - hₜ²) W, at most (‖W‖ max φ')^T.

    >>> state_jacobian(np.zeros((4, 1)), np.full((1, 1), 0.5)).tolist()
    [[0.125]]
    """
    product = np.eye(len(W))
    for state in states[1:]:
        product = (1 - state**2)[:, None] * W @ product
    return product


# --- losses and checks --------------------------------------------------------------------------------------


def dense(x: np.ndarray, W: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """x (N, inputs) @ Wᵀ + bias, W (outputs, inputs).

    >>> dense(np.array([[1.0, 2.0]]), np.array([[3.0, 4.0]]), np.array([0.5])).tolist()
    [[11.5]]
    """
    return x @ W.T + bias


def dense_backward(x: np.ndarray, W: np.ndarray, gradient: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients by x, W and bias."""
    return gradient @ W, gradient.T @ x, gradient.sum(axis=0)


def cross_entropy(scores: np.ndarray, codes: np.ndarray) -> complex | float:
    """The mean of -log softmax(scores)[class], scores (N, K), codes (N,) of 0..K-1; safe for large scores.

    >>> round(cross_entropy(np.array([[0.0, 0.0], [1000.0, 0.0]]), np.array([0, 0])), 4)
    0.3466
    """
    shifted = scores - scores.real.max(axis=1, keepdims=True)
    value = (np.log(np.exp(shifted).sum(axis=1)) - shifted[np.arange(len(codes)), codes]).mean()
    return complex(value) if np.iscomplexobj(scores) else float(value)


def cross_entropy_backward(scores: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """(softmax - one-hot) / N.

    >>> cross_entropy_backward(np.zeros((1, 2)), np.array([0])).tolist()
    [[-0.5, 0.5]]
    """
    shifted = np.exp(scores - scores.real.max(axis=1, keepdims=True))
    chances = shifted / shifted.sum(axis=1, keepdims=True)
    return (chances - (codes[:, None] == np.arange(scores.shape[1]))) / len(codes)


def checked_gradient(
    loss: Callable[[np.ndarray], complex | float], at: np.ndarray, gradient: np.ndarray, *, complex_step: bool = False
) -> float:
    """The largest |gradient - difference quotient|, relative to the largest entry of the gradient.

    By central differences with h = 6e-6 max(1, |x|) (the cube root of 2^-53, where truncation and rounding meet: about
    1e-10 is the best they do), or Im loss(x + ih) / h with h = 1e-30. Costs two losses, or one, per entry of `at`.

    >>> checked_gradient(lambda x: (x**3).sum(), np.array([1.0, 2.0]), np.array([3.0, 12.0]), complex_step=True)
    0.0
    """
    if gradient.shape != at.shape:
        raise BadData(f"The gradient has the shape {gradient.shape}; expected that of the variable, {at.shape}.")
    quotient = np.empty(at.shape)
    for index in np.ndindex(at.shape):
        if complex_step:
            moved: np.ndarray = at.astype(complex)
            moved[index] += 1e-30j
            quotient[index] = complex(loss(moved)).imag / 1e-30
        else:
            step = 6e-6 * max(1.0, abs(float(at[index])))
            above, below = at.copy(), at.copy()
            above[index] += step
            below[index] -= step
            quotient[index] = (loss(above) - loss(below)) / (above[index] - below[index])
    return float(np.abs(gradient - quotient).max() / max(float(np.abs(gradient).max()), 1e-300))
