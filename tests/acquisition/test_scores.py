"""Scores against slow float64 loops written from the papers, and against known answers."""

import jax
import numpy as np
import pytest
from scipy.special import log_softmax

from bal import acquisition

# One program for each shape, where each operation by itself would be one.
SCORES = {name: jax.jit(score) for name, score in acquisition.SCORES.items()}


def random_log_probs(*shape, scale=1.0):
    return log_softmax(scale * np.random.default_rng(0).normal(size=shape), axis=-1).astype(np.float32)


def entropy_loop(probs):
    return -sum(p * np.log(p) for p in probs if p > 0)


def bald_loop(probs):
    return entropy_loop(probs.mean(axis=0)) - np.mean([entropy_loop(row) for row in probs])


def variation_ratio_loop(probs):
    votes = [int(row.argmax()) for row in probs]
    return 1 - max(votes.count(c) for c in range(probs.shape[1])) / len(votes)


def mean_std_loop(probs):
    return np.mean([np.sqrt(np.mean(column**2) - np.mean(column) ** 2) for column in probs.T])


def margin_loop(probs):
    ordered = sorted(probs.mean(axis=0))
    return 1 - (ordered[-1] - ordered[-2])


ORACLES = {
    "bald": bald_loop,
    "max_entropy": lambda probs: entropy_loop(probs.mean(axis=0)),
    "least_confidence": lambda probs: 1 - probs.mean(axis=0).max(),
    "margin": margin_loop,
    "variation_ratio": variation_ratio_loop,
    "mean_std": mean_std_loop,
}


@pytest.mark.parametrize("name", ORACLES)
def test_scores_equal_the_formula_of_the_paper(name):
    probs = np.random.default_rng(0).dirichlet(np.full(5, 0.4), size=(9, 20))
    with np.errstate(divide="ignore"):
        log_probs = np.log(probs).astype(np.float32)
    expected = [ORACLES[name](probs[:, point]) for point in range(20)]
    np.testing.assert_allclose(SCORES[name](log_probs), expected, rtol=1e-4, atol=2e-6)


def one_hot_log_probs(classes, num_classes):
    with np.errstate(divide="ignore"):
        return np.log(np.eye(num_classes, dtype=np.float32)[classes])[:, None]


def test_bald_of_draws_that_are_sure_of_different_classes_is_log_c():
    np.testing.assert_allclose(SCORES["bald"](one_hot_log_probs([0, 1, 2], 3)), [np.log(3)], rtol=1e-5)
    np.testing.assert_allclose(SCORES["bald"](one_hot_log_probs([0, 1], 10)), [np.log(2)], rtol=1e-5)


def test_bald_of_equal_draws_is_exactly_zero():
    log_probs = random_log_probs(1, 500, 10, scale=10.0)
    assert not np.any(np.asarray(SCORES["bald"](np.tile(log_probs, (37, 1, 1)))))
    assert not np.any(np.asarray(SCORES["bald"](log_probs)))


def test_bald_is_between_zero_and_the_entropy_of_the_mean():
    log_probs = random_log_probs(3, 200, 10, scale=4.0)
    scores = np.asarray(SCORES["bald"](log_probs))
    assert (scores >= 0).all()
    assert (scores <= np.asarray(SCORES["max_entropy"](log_probs)) + 1e-6).all()
    assert (scores <= np.log(3) + 1e-6).all()


def test_two_classes_are_ranked_alike_by_entropy_margin_and_confidence():
    log_probs = random_log_probs(6, 50, 2)
    orders = [np.argsort(SCORES[name](log_probs)).tolist() for name in ("max_entropy", "margin", "least_confidence")]
    assert orders[0] == orders[1] == orders[2]


def test_scores_keep_the_space_of_dense_predictions():
    log_probs = random_log_probs(6, 5, 3, 2, 4)
    for score in SCORES.values():
        whole = np.asarray(score(log_probs))
        assert whole.shape == (5, 3, 2)
        np.testing.assert_allclose(whole[:, 1, 1], score(log_probs[:, :, 1, 1]), rtol=1e-5, atol=1e-6)


def test_one_class_leaves_nothing_uncertain():
    for score in SCORES.values():
        assert score(np.zeros((3, 2, 1), np.float32)).tolist() == [0, 0]


def test_scores_take_numpy_arrays_in_double_precision():
    log_probs = np.log(np.random.default_rng(0).dirichlet(np.ones(3), size=(4, 5)))
    for score in SCORES.values():
        assert score(log_probs).shape == (5,)
