"""Trees: the root that scikit-learn finds, the accounts that must balance, brute force."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer
from sklearn.tree import DecisionTreeClassifier

from labkit.numerics.errors import BadData
from labkit.numerics.trees import best_split, entropy, gini, grow

seeds = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_the_root_of_breast_cancer_is_scikit_learns_to_the_precision_of_its_floats(criterion):
    X, y = load_breast_cancer(return_X_y=True)
    split = grow(X, y, criterion=criterion, max_depth=1).root.split
    theirs = DecisionTreeClassifier(max_depth=1, criterion=criterion, random_state=0).fit(X, y).tree_
    # theirs stores X as float32: 16.795 becomes 16.795000076
    assert split.column == theirs.feature[0]
    assert split.threshold == pytest.approx(theirs.threshold[0], rel=1e-7)
    decrease = theirs.impurity[0] - theirs.weighted_n_node_samples[1:] @ theirs.impurity[1:] / len(y)
    assert split.decrease == pytest.approx(decrease, rel=1e-9)


def test_the_root_of_breast_cancer_is_the_curriculums():
    X, y = load_breast_cancer(return_X_y=True)
    split = grow(X, y, max_depth=1).root.split
    assert (split.column, round(split.threshold, 6)) == (20, 16.795)


@settings(max_examples=40, deadline=None)
@given(seed=seeds, criterion=st.sampled_from(["gini", "entropy"]))
def test_the_best_split_is_that_of_brute_force(seed, criterion):
    random = np.random.default_rng(seed)
    X, y = random.integers(0, 6, size=(15, 3)).astype(float), random.integers(0, 3, size=15)
    impurity = {"gini": gini, "entropy": entropy}[criterion]

    def decrease(low):
        counts = [np.bincount(y[rows], minlength=3) for rows in (low, ~low)]
        return impurity(np.bincount(y, minlength=3)) - sum(c.sum() * impurity(c) for c in counts) / 15

    every = [decrease(X[:, j] <= t) for j in range(3) for t in np.unique(X[:, j])[:-1]]
    found = best_split(X, y, criterion=criterion)
    assert (found.decrease if found else 0.0) == pytest.approx(max([0.0, *every]), abs=1e-9)
    if found:
        assert decrease(X[:, found.column] <= found.threshold) == pytest.approx(found.decrease)


@settings(max_examples=30, deadline=None)
@given(seed=seeds, depth=st.integers(0, 6), least=st.integers(1, 5))
def test_the_decreases_of_all_splits_are_what_the_root_has_and_the_leaves_have_not(seed, depth, least):
    random = np.random.default_rng(seed)
    X, y = random.normal(size=(40, 3)), random.integers(0, 3, size=40)
    tree = grow(X, y, max_depth=depth, min_leaf=least)
    assert abs(tree.certificate.imbalance) < 1e-12
    assert tree.certificate.depth <= depth
    assert min(node.rows for node in tree.root.nodes()) >= least
    assert (tree.predict(X) != y).mean() == pytest.approx(tree.certificate.training_error)


@settings(max_examples=20, deadline=None)
@given(seed=seeds)
def test_a_tree_sees_only_the_order_of_values_and_not_that_of_rows(seed):
    random = np.random.default_rng(seed)
    X, y = random.integers(0, 9, size=(30, 2)).astype(float), random.integers(0, 2, size=30)
    tree, order = grow(X, y), random.permutation(30)
    assert (grow(X[order], y[order]).predict(X) == tree.predict(X)).all()
    assert (grow(np.exp(X), y).predict(np.exp(X)) == tree.predict(X)).all()


def test_a_full_tree_errs_only_where_equal_rows_have_different_classes():
    X, y = np.array([[1.0], [1.0], [1.0], [2.0]]), np.array(["a", "a", "b", "b"])
    tree = grow(X, y)
    assert tree.certificate.training_error == 0.25
    assert tree.predict(X).tolist() == ["a", "a", "a", "b"]


def test_scikit_learns_deep_tree_predicts_alike_where_no_splits_tie():
    X, y = load_breast_cancer(return_X_y=True)
    random = np.random.default_rng(0)
    X = np.float32(X[:, :5] + random.normal(size=(len(X), 5)) * 1e-3).astype(float)
    theirs = DecisionTreeClassifier(max_depth=3, random_state=0).fit(X, y)
    assert (grow(X, y, max_depth=3).predict(X) == theirs.predict(X)).mean() > 0.99


def test_importances_are_shares():
    X, y = load_breast_cancer(return_X_y=True)
    shares = grow(X[:, :6], y, max_depth=4).importances()
    assert shares.sum() == pytest.approx(1)
    assert grow(X[:, :1], np.zeros(len(y))).importances().tolist() == [0.0]


@pytest.mark.parametrize(
    ("call", "found"),
    [
        (lambda: grow([[1.0], [2.0]], [1, 2], criterion="mse"), "criterion is 'mse'; expected one of gini, entropy"),
        (lambda: grow([[1.0], [2.0]], [1]), r"y has the shape \(1,\)"),
        (lambda: grow([[1.0], [np.nan]], [1, 2]), "X holds nan in row 1"),
        (lambda: grow([[1.0], [2.0]], [1, 2], min_leaf=0), "min_leaf is 0"),
        (lambda: grow([[1.0], [2.0]], [1, 2]).predict([[1.0, 2.0]]), "X has 2 columns; the tree was grown with 1"),
    ],
)
def test_what_cannot_be_is_refused(call, found):
    with pytest.raises(BadData, match=found):
        call()
