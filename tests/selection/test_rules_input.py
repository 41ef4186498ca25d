"""What every batch rule takes, double precision included, and what it says of bad input."""

import re

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from bal import selection
from tests.selection.test_rules_contract import (
    BATCH_SIZE,
    CASES,
    NUM_POINTS,
    WITH_CENTERS,
    Problem,
    mask,
    problem_in_numpy,
    random_problem,
)

ALL = mask(True)

cases = pytest.mark.parametrize("rule", CASES.values(), ids=CASES.keys())
with_centers = pytest.mark.parametrize("rule", WITH_CENTERS.values(), ids=WITH_CENTERS.keys())


@pytest.fixture
def as_users_see_it():
    """Without the shape checks of the tests, which would stand before the messages."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


DOUBLE = Problem(*(leaf.astype(np.float64) for leaf in problem_in_numpy(0)))


@cases
def test_double_precision_and_arrays_of_numpy_give_a_batch(rule, as_users_see_it):
    with jax.enable_x64(True):
        chosen = rule(jax.random.key(1), DOUBLE, np.arange(NUM_POINTS) < 8, np.int64(BATCH_SIZE))
        assert chosen.indices.dtype == np.int32
        assert chosen.scores.dtype == np.float64
        assert len(set(chosen.indices.tolist())) == BATCH_SIZE
        assert max(chosen.indices.tolist()) < 8


@with_centers
def test_double_precision_takes_weights_that_are_counts(rule, as_users_see_it):
    """Traced, not run: a state whose dtype changes in a loop is refused then."""
    with jax.enable_x64(True):
        problem = DOUBLE._replace(center_weights=np.array([2, 0, 1, 1]))
        chosen = jax.eval_shape(lambda: rule(jax.random.key(1), problem, np.ones(NUM_POINTS, bool), BATCH_SIZE))
        assert (chosen.indices.shape, chosen.indices.dtype) == ((BATCH_SIZE,), np.int32)
        assert (chosen.scores.shape, chosen.scores.dtype) == ((BATCH_SIZE,), np.float64)


def test_integers_are_converted_where_numbers_are_expected(rng_key, as_users_see_it):
    counts = jnp.array([3, 1, 2])
    assert selection.top_k(rng_key, counts, ALL[:3], batch_size=3).indices.tolist() == [0, 2, 1]
    one_hot = jnp.diag(counts)
    assert selection.max_det(rng_key, one_hot, ALL[:3], batch_size=3, noise=1.0).indices.tolist() == [0, 2, 1]
    assert selection.max_dist(rng_key, one_hot, ALL[:3], batch_size=1).indices.tolist() == [0]


@cases
@pytest.mark.parametrize(
    ("available", "batch_size", "message"),
    [
        (ALL, 2.5, "expected batch_size to be a whole number of at least 1, got 2.5"),
        (ALL, True, "expected batch_size to be a whole number of at least 1, got True"),
        (ALL, 0, "expected batch_size to be a whole number of at least 1, got 0"),
        (ALL, 13, "expected batch_size of at most the number of points 12, got 13"),
        (ALL[:0], 1, "expected a pool of at least one point, got none"),
        (jnp.arange(NUM_POINTS), 1, "expected available to be a mask"),
        (ALL[:, None], 1, "expected available to be a mask"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused_in_one_sentence(rule, available, batch_size, message, as_users_see_it):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        rule(jax.random.key(0), random_problem(), available, batch_size)
    assert "\n" not in str(caught.value)


@cases
def test_an_integer_is_no_key(rule, as_users_see_it):
    with pytest.raises(ValueError, match="expected a key such as"):
        rule(0, random_problem(), ALL, BATCH_SIZE)


@cases
def test_arrays_of_another_rank_or_length_are_refused(rule, rng_key, as_users_see_it):
    problem = random_problem()
    if rule is CASES["uniform"]:
        pytest.skip("it looks at no array but the mask")
    with pytest.raises(ValueError, match="expected .* to have shape|rows, one per point"):
        rule(rng_key, Problem(*(jax.device_put(leaf[..., None]) for leaf in problem_in_numpy(0))), ALL, BATCH_SIZE)
    with pytest.raises(ValueError, match="expected .* to have shape|rows, one per point"):
        rule(rng_key, problem, ALL[1:], BATCH_SIZE)


@with_centers
@pytest.mark.parametrize("weight", [-1.0, np.nan])
def test_weights_below_zero_and_nan_are_refused(rule, weight, rng_key):
    problem = random_problem()._replace(center_weights=jax.device_put(np.array([1.0, weight, 1.0, 1.0], np.float32)))
    with pytest.raises(ValueError, match="weights"):
        rule(rng_key, problem, ALL, BATCH_SIZE)


INVALID_SETTINGS = {
    "gumbel_top_k beta nan": (selection.gumbel_top_k, ("scores",), {"beta": float("nan")}, "beta"),
    "gumbel_top_k beta negative": (selection.gumbel_top_k, ("scores",), {"beta": -1.0}, "beta"),
    "gumbel_top_k kind": (selection.gumbel_top_k, ("scores",), {"kind": "powder"}, "kind to be one of 'power'"),
    "max_det noise nan": (selection.max_det, ("embeddings",), {"noise": float("nan")}, "noise above 0"),
    "bait ridge nan": (selection.bait, ("embeddings",), {"ridge": float("nan")}, "ridge above 0"),
    "bait oversample": (selection.bait, ("embeddings",), {"oversample": 1.5}, "oversample to be a whole number"),
    "prob_cover radius nan": (selection.prob_cover, ("embeddings",), {"radius": float("nan")}, "radius above 0"),
    "cluster_margin candidates": (selection.cluster_margin, ("scores", "embeddings"), {"num_candidates": 1}, "least"),
    "typiclust neighbours": (selection.typiclust, ("embeddings",), {"num_neighbours": 0}, "num_neighbours"),
    "batch_bald configurations": (selection.batch_bald, ("log_probs",), {"num_configurations": 9.5}, "whole number"),
    "lcmd weights alone": (selection.lcmd, ("embeddings",), {"center_weights": ALL}, "center_features together with"),
}


@pytest.mark.parametrize(("rule", "fields", "settings", "message"), INVALID_SETTINGS.values(), ids=INVALID_SETTINGS)
def test_invalid_settings_are_refused(rule, fields, settings, message, rng_key, as_users_see_it):
    problem = random_problem()
    with pytest.raises(ValueError, match=message):
        rule(rng_key, *(getattr(problem, field) for field in fields), ALL, batch_size=2, **settings)


def test_a_mask_in_the_place_of_indices_is_refused(rng_key, as_users_see_it):
    log_probs = random_problem().log_probs
    with pytest.raises(ValueError, match="jnp.flatnonzero"):
        selection.joint_information(rng_key, log_probs, ALL, num_configurations=9)
    with pytest.raises(ValueError, match="classes to be integers"):
        selection.class_balanced(rng_key, jnp.ones(NUM_POINTS), ALL, ALL, batch_size=2, num_classes=2)
    with pytest.raises(ValueError, match="classes between 0 and 1"):
        selection.class_balanced(rng_key, jnp.ones(3), jnp.array([0, 1, 2]), ALL[:3], batch_size=2, num_classes=2)
