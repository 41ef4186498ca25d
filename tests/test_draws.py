"""Strategies that score how much posterior samples disagree say so, and are refused where there is one sample."""

import jax
import numpy as np
import pytest

import bal
from bal.strategies import STRATEGIES
from tests.prototypes import class_means, linear_regression

KEY = jax.random.key(0)


def dataset():
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 3, 24)
    inputs = (3 * np.eye(3)[classes] + rng.normal(size=(24, 3))).astype(np.float32)
    return bal.datasets.from_arrays(inputs, classes, inputs[:6], classes[:6])


@pytest.fixture(scope="module")
def scores():
    """Of the points that each strategy for classes chooses under one posterior sample."""
    learner = bal.build(class_means(), bal.strategies.random(batch_size=3), num_samples=1, num_initial=4, num_rounds=2)
    data = dataset()
    state, _ = learner.ask(KEY, learner.init(KEY, data), data)
    view = learner.view(KEY, state, data)
    ours = {name: make(batch_size=3) for name, make in STRATEGIES.items()}
    ours = {
        name: each
        for name, each in ours.items()
        if each.takes and "categorical" in each.takes and not each.needs and not each.privileged
    }
    chosen = jax.device_get(jax.jit(lambda: {name: each.select(KEY, view).scores for name, each in ours.items()})())
    return {name: (ours[name].num_draws, values) for name, values in chosen.items()}


def test_strategies_that_need_several_draws_score_all_points_alike_under_one(scores):
    alike = {name for name, (_, values) in scores.items() if np.allclose(values, values[0], atol=1e-5)}
    # Samplers add noise to their scores.
    sampled = {"power_bald", "softmax_bald", "softrank_bald"}
    assert alike | sampled == {name for name, (num_draws, _) in scores.items() if num_draws == 2}
    assert {"bald", "variation_ratio", "epig", "batch_bald"} <= alike
    assert scores["margin"][0] == scores["max_entropy"][0] == 1


@pytest.mark.parametrize("name", ["bald", "variation_ratio", "batch_epig"])
def test_one_draw_is_refused_before_anything_compiles(name):
    with pytest.raises(ValueError, match="at least 2 posterior samples .* got 1, under which every score is 0: use"):
        bal.build(class_means(), STRATEGIES[name](batch_size=3), num_samples=1, num_initial=4, num_rounds=2)


def test_a_covariance_in_closed_form_takes_the_place_of_draws():
    strategy = bal.strategies.epistemic_variance(batch_size=3)
    settings = {"num_samples": 1, "num_initial": 4, "num_rounds": 2}
    assert bal.build(linear_regression(closed=True), strategy, **settings).batch_size == 3
    with pytest.raises(ValueError, match="at least 2 posterior samples"):
        bal.build(linear_regression(closed=False), strategy, **settings)


def test_candidates_of_a_strategy_that_needs_draws_need_them_too():
    first, second = bal.strategies.bald(batch_size=5), bal.strategies.margin(batch_size=3)
    assert bal.strategies.two_stages(first, second).num_draws == 2
    assert bal.strategies.among_neighbours(first, num_candidates=9).num_draws == 2
