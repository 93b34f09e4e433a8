"""Classification trees (CART) by exhaustive search, with the accounts that any tree must balance.

The best split of a node has the largest decrease of weighted impurity, Δ = i(node) - (nₗ i(left) + nᵣ i(right)) / n,
over all columns and all midpoints between neighbouring values (Breiman, Friedman, Olshen and Stone 1984, ch. 4).
Rows with x <= threshold go left. Of equal splits the first column and the lowest threshold win, so that two runs give
one tree; scikit-learn draws among them, and stores X as float32: its threshold for 16.795 is 16.795000076.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from labkit.numerics import inputs
from labkit.numerics.errors import BadData


def gini(counts: np.ndarray) -> np.ndarray:
    """1 - Σ pₖ² of counts (..., K): the chance that two draws differ; 0 of nothing.

    >>> float(gini(np.array([5, 5])))
    0.5
    """
    p = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return np.where(counts.sum(axis=-1) > 0, 1 - (p**2).sum(axis=-1), 0.0)


def entropy(counts: np.ndarray) -> np.ndarray:
    """-Σ pₖ log₂ pₖ of counts (..., K), in bits.

    >>> float(entropy(np.array([4, 4, 8])))
    1.5
    """
    p = counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1)
    return -(p * np.log2(np.where(p > 0, p, 1.0))).sum(axis=-1)


CRITERIA: dict[str, Callable[[np.ndarray], np.ndarray]] = {"gini": gini, "entropy": entropy}


@dataclass(frozen=True, slots=True)
class Split:
    """x[column] <= threshold goes left; `decrease` is Δ of the node, between 0 and its impurity."""

    column: int
    threshold: float
    decrease: float


def best_split(X: np.ndarray, codes: np.ndarray, *, criterion: str = "gini", least: int = 1) -> Split | None:
    """The best split of rows X (n, p) with classes 0..K-1, leaving at least `least` rows on both sides.

    None if no split lowers the impurity. Sorting each column once makes it O(p n log n).

    >>> best_split(np.array([[1.0], [2.0], [4.0]]), np.array([0, 0, 1]))
    Split(column=0, threshold=3.0, decrease=0.4444444444444444)
    """
    impurity = _criterion(criterion)
    hot = (codes[:, None] == np.arange(codes.max() + 1)).astype(float)
    n = len(codes)
    whole = float(impurity(hot.sum(axis=0)))
    best: Split | None = None
    for column in range(X.shape[1]):
        order = np.argsort(X[:, column], kind="stable")
        x = X[order, column]
        left = np.cumsum(hot[order], axis=0)[:-1]
        # between equal values there is no threshold: a split there would depend on the order of the rows
        possible = (x[1:] > x[:-1]) & (np.arange(1, n) >= least) & (n - np.arange(1, n) >= least)
        if not possible.any():
            continue
        right = hot.sum(axis=0) - left
        after = (left.sum(axis=1) * impurity(left) + right.sum(axis=1) * impurity(right)) / n
        decrease = np.where(possible, whole - after, -np.inf)
        k = int(np.argmax(decrease))
        if decrease[k] > (best.decrease if best else 0.0) + 1e-12:
            middle = x[k] / 2 + x[k + 1] / 2
            best = Split(column, float(middle if middle < x[k + 1] else x[k]), float(decrease[k]))
    return best


@dataclass(frozen=True, slots=True)
class Node:
    """A leaf, or a split with two nodes. `counts` are training rows by class, `impurity` of them."""

    counts: tuple[int, ...]
    impurity: float
    split: Split | None = None
    left: Node | None = None
    right: Node | None = None

    @property
    def rows(self) -> int:
        return sum(self.counts)

    def nodes(self) -> Iterator[Node]:
        """This node and all below it."""
        yield self
        if self.left and self.right:
            yield from self.left.nodes()
            yield from self.right.nodes()


@dataclass(frozen=True, slots=True)
class TreeCertificate:
    """`imbalance`: root impurity - Σ leaves (n_leaf/n) i - Σ splits (n_node/n) Δ, 0 but for rounding.

    `training_error`: the share of training rows whose class is not the majority of their leaf.
    """

    imbalance: float
    training_error: float
    leaves: int
    depth: int


@dataclass(frozen=True, slots=True)
class Tree:
    """The grown tree; `classes` in sorted order."""

    root: Node
    classes: tuple[object, ...]
    columns: int
    certificate: TreeCertificate

    def predict(self, X: object) -> np.ndarray:
        """The majority class of each row's leaf, (n,); of equal counts the first in order. Raises BadData."""
        table = inputs.table(X, rows_least=1)
        if table.shape[1] != self.columns:
            raise BadData(f"X has {table.shape[1]} columns; the tree was grown with {self.columns}.")
        leaves = [self._leaf(row) for row in table]
        return np.array([self.classes[int(np.argmax(leaf.counts))] for leaf in leaves])

    def path(self, row: Sequence[float], names: Sequence[str] = ()) -> list[str]:
        """The questions that a row answered on its way, in words.

        >>> grow([[1.0], [2.0], [4.0]], ["no", "no", "yes"]).path([3.5], names=["income"])
        ['income 3.5 > 3', 'yes: 1 of 1']
        """
        said, node = [], self.root
        while node.split and node.left and node.right:
            value, name = row[node.split.column], f"x{node.split.column}"
            name = names[node.split.column] if names else name
            low = value <= node.split.threshold
            said.append(f"{name} {value:g} {'<=' if low else '>'} {node.split.threshold:g}")
            node = node.left if low else node.right
        most = int(np.argmax(node.counts))
        return [*said, f"{self.classes[most]}: {node.counts[most]} of {node.rows}"]

    def importances(self) -> np.ndarray:
        """Each column's share of the total decrease of impurity, (p,), summing to 1 if there is a split."""
        total = np.zeros(self.columns)
        for node in self.root.nodes():
            if node.split:
                total[node.split.column] += node.rows * node.split.decrease
        return total / total.sum() if total.sum() > 0 else total

    def _leaf(self, row: np.ndarray) -> Node:
        node = self.root
        while node.split and node.left and node.right:
            node = node.left if row[node.split.column] <= node.split.threshold else node.right
        return node


def grow(X: object, y: object, *, criterion: str = "gini", max_depth: int | None = None, min_leaf: int = 1) -> Tree:
    """A tree of X (n, p), y (n,) of any kinds, until no split lowers the impurity, or the limits. Raises BadData.

    >>> tree = grow([[1.0], [2.0], [4.0]], ["no", "no", "yes"])
    >>> tree.predict([[0.0], [9.0]]).tolist(), tree.certificate.leaves
    (['no', 'yes'], 2)
    """
    table = inputs.table(X, rows_least=1)
    kinds, codes = np.unique(np.asarray(y), return_inverse=True)
    if codes.shape != (len(table),):
        raise BadData(f"y has the shape {np.shape(y)}; expected ({len(table)},), one class for each row of X.")
    if min_leaf < 1 or (max_depth is not None and max_depth < 0):
        raise BadData(f"min_leaf is {min_leaf} and max_depth {max_depth}; expected at least 1, and at least 0 or None.")
    limits = (len(table) if max_depth is None else max_depth, min_leaf)
    root = _grown(table, codes, len(kinds), _criterion(criterion), criterion, limits)
    return Tree(root, tuple(kinds.tolist()), table.shape[1], _balanced(root))


def _grown(
    X: np.ndarray,
    codes: np.ndarray,
    kinds: int,
    impurity: Callable[[np.ndarray], np.ndarray],
    criterion: str,
    limits: tuple[int, int],
) -> Node:
    depth, least = limits
    counts = np.bincount(codes, minlength=kinds)
    node = Node(tuple(counts.tolist()), float(impurity(counts)))
    split = best_split(X, codes, criterion=criterion, least=least) if depth > 0 and node.impurity > 0 else None
    if split is None:
        return node
    low = X[:, split.column] <= split.threshold
    sides = [_grown(X[rows], codes[rows], kinds, impurity, criterion, (depth - 1, least)) for rows in (low, ~low)]
    return Node(node.counts, node.impurity, split, *sides)


def _balanced(root: Node) -> TreeCertificate:
    leaves = [node for node in root.nodes() if node.split is None]
    kept = sum(leaf.rows * leaf.impurity for leaf in leaves) / root.rows
    won = sum(node.rows * node.split.decrease for node in root.nodes() if node.split) / root.rows
    wrong = sum(leaf.rows - max(leaf.counts) for leaf in leaves) / root.rows
    return TreeCertificate(root.impurity - kept - won, wrong, len(leaves), _depth(root))


def _depth(node: Node) -> int:
    return 1 + max(_depth(node.left), _depth(node.right)) if node.left and node.right else 0


def _criterion(name: str) -> Callable[[np.ndarray], np.ndarray]:
    if name not in CRITERIA:
        raise BadData(f"The criterion is {name!r}; expected one of {', '.join(CRITERIA)}.")
    return CRITERIA[name]
