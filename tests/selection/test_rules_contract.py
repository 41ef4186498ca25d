"""What every batch rule promises. A new rule is tested by a row in ``CASES``."""

import functools
from typing import NamedTuple

import jax
import numpy as np
import pytest
from jaxtyping import Array
from scipy.special import log_softmax

from bal import selection
from bal.selection import RULES, batch_bald, batch_epig, gumbel_top_k, top_k, uniform

NUM_POINTS = 12
BATCH_SIZE = 5  # one size for all, so that a rule compiles once

log_likelihood_features = jax.jit(selection.log_likelihood_features)


class Problem(NamedTuple):
    """What a rule may look at. Each rule takes its own part."""

    log_probs: Array  # [S, N, C]
    target_log_probs: Array  # [S, M, C]
    scores: Array  # [N], positive
    embeddings: Array  # [N, D]
    centers: Array  # [K, D], the embeddings of the labelled set
    center_weights: Array  # [K]


# name -> (rng_key, problem, available, batch_size) -> Selection
CASES = {
    "batch_bald": lambda key, problem, available, size: batch_bald(
        key, problem.log_probs, available, batch_size=size, num_configurations=20
    ),
    "batch_epig": lambda key, problem, available, size: batch_epig(
        key, problem.log_probs, problem.target_log_probs, available, batch_size=size, num_configurations=20
    ),
    "top_k": lambda key, problem, available, size: top_k(key, problem.scores, available, batch_size=size),
    "gumbel_top_k": lambda key, problem, available, size: gumbel_top_k(
        key, problem.scores, available, batch_size=size, kind="power", beta=2.0
    ),
    "uniform": lambda key, problem, available, size: uniform(key, available, batch_size=size),
    "class_balanced": lambda key, problem, available, size: selection.class_balanced(
        key, problem.scores, problem.log_probs[0].argmax(axis=-1), available, batch_size=size, num_classes=3
    ),
    "class_stratified": lambda key, problem, available, size: selection.class_stratified(
        key, problem.scores[:, None] + problem.log_probs[0], available, batch_size=size
    ),
    "k_center": lambda key, problem, available, size: selection.k_center(
        key,
        problem.embeddings,
        available,
        batch_size=size,
        center_embeddings=problem.centers,
        center_weights=problem.center_weights,
    ),
    "max_dist": lambda key, problem, available, size: selection.max_dist(
        key,
        problem.embeddings,
        available,
        batch_size=size,
        center_features=problem.centers,
        center_weights=problem.center_weights,
    ),
    "lcmd": lambda key, problem, available, size: selection.lcmd(
        key,
        problem.embeddings,
        available,
        batch_size=size,
        center_features=problem.centers,
        center_weights=problem.center_weights,
    ),
    "max_det": lambda key, problem, available, size: selection.max_det(
        key, problem.embeddings, available, batch_size=size, noise=0.1
    ),
    "badge": lambda key, problem, available, size: selection.badge(
        key, problem.log_probs[0], problem.embeddings, available, batch_size=size
    ),
    "bait": lambda key, problem, available, size: selection.bait(
        key,
        problem.embeddings,
        available,
        batch_size=size,
        labelled_features=problem.centers,
        labelled_weights=problem.center_weights,
    ),
    "acs_fw": lambda key, problem, available, size: selection.acs_fw(
        key, log_likelihood_features(problem.log_probs), available, batch_size=size
    ),
    "cluster_margin": lambda key, problem, available, size: selection.cluster_margin(
        key, problem.scores, problem.embeddings, available, batch_size=size
    ),
    "k_means": lambda key, problem, available, size: selection.k_means(
        key, problem.embeddings, available, batch_size=size
    ),
    "k_means_plus_plus": lambda key, problem, available, size: selection.k_means_plus_plus(
        key,
        problem.embeddings,
        available,
        batch_size=size,
        center_features=problem.centers,
        center_weights=problem.center_weights,
    ),
    "typiclust": lambda key, problem, available, size: selection.typiclust(
        key,
        problem.embeddings,
        available,
        batch_size=size,
        min_cluster_size=1,
        center_embeddings=problem.centers,
        center_weights=problem.center_weights,
    ),
    "prob_cover": lambda key, problem, available, size: selection.prob_cover(
        key,
        problem.embeddings,
        available,
        batch_size=size,
        radius=1.5,
        center_embeddings=problem.centers,
        center_weights=problem.center_weights,
    ),
}

# Rules that look at the labelled set. The case of max_det has a prior variance, this one a posterior variance.
WITH_CENTERS = {
    name: CASES[name]
    for name in ("k_center", "max_dist", "lcmd", "bait", "k_means_plus_plus", "typiclust", "prob_cover")
} | {
    "max_det": lambda key, problem, available, size: selection.max_det(
        key,
        selection.condition(problem.embeddings, problem.centers, noise=0.1, labelled_weights=problem.center_weights),
        available,
        batch_size=size,
        noise=0.1,
    )
}

EMBEDDING_RULES = sorted({*WITH_CENTERS, "badge", "cluster_margin", "k_means"})

WITHOUT_PRODUCTS = [CASES[name] for name in ("class_balanced", "class_stratified", "gumbel_top_k", "top_k", "uniform")]

cases = pytest.mark.parametrize("rule", CASES.values(), ids=CASES.keys())
with_centers = pytest.mark.parametrize("rule", WITH_CENTERS.values(), ids=WITH_CENTERS.keys())
# The score of each of these is made from embeddings alone, so an embedding that is not finite makes a point invalid.
of_embeddings = pytest.mark.parametrize("rule", [CASES[name] for name in EMBEDDING_RULES], ids=EMBEDDING_RULES)


@functools.cache
def problem_in_numpy(seed):
    generator = np.random.default_rng(seed)
    leaves = Problem(
        log_probs=log_softmax(2 * generator.normal(size=(5, NUM_POINTS, 3)), axis=-1),
        target_log_probs=log_softmax(2 * generator.normal(size=(5, 2, 3)), axis=-1),
        scores=generator.uniform(size=NUM_POINTS),
        embeddings=generator.normal(size=(NUM_POINTS, 4)),
        centers=generator.normal(size=(4, 4)),
        center_weights=np.array([1.0, 0.0, 2.0, 1.0]),
    )
    return Problem(*(leaf.astype(np.float32) for leaf in leaves))


@functools.cache
def random_problem(seed=0):
    return jax.device_put(problem_in_numpy(seed))


def mask(available):
    """One value for each point, or one for all."""
    return jax.device_put(np.broadcast_to(available, NUM_POINTS))


def test_every_registered_rule_has_a_case():
    assert set(CASES) == set(RULES)


@cases
def test_chosen_points_are_available_and_different(rule):
    available = np.arange(NUM_POINTS) % 3 != 0
    for seed in range(5):
        indices = rule(jax.random.key(seed), random_problem(), mask(available), BATCH_SIZE).indices
        assert indices.dtype == np.int32
        assert len(set(indices.tolist())) == BATCH_SIZE
        assert available[np.asarray(indices)].all()


@cases
def test_the_absent_index_fills_up_a_batch_larger_than_what_is_left(rule, rng_key):
    indices = rule(rng_key, random_problem(), mask(np.arange(NUM_POINTS) < 2), BATCH_SIZE).indices.tolist()
    assert sorted(indices) == [0, 1, NUM_POINTS, NUM_POINTS, NUM_POINTS]
    assert indices[2:] == [NUM_POINTS] * 3


@cases
def test_jit_and_vmap_agree_with_eager(rule, rng_key):
    keys = jax.random.split(rng_key, 3)
    problems = [problem_in_numpy(seed) for seed in range(3)]
    available = mask(np.arange(NUM_POINTS) != 4)
    stacked = jax.device_put(jax.tree.map(lambda *leaves: np.stack(leaves), *problems))
    together = jax.jit(jax.vmap(lambda key, problem: rule(key, problem, available, BATCH_SIZE).indices))(keys, stacked)
    for seed, key in enumerate(keys):
        alone = rule(key, random_problem(seed), available, BATCH_SIZE)
        assert np.asarray(together)[seed].tolist() == alone.indices.tolist()


@cases
def test_matrix_products_are_in_full_precision_on_devices_that_round_by_default(rule, rng_key):
    problem, available = random_problem(), mask(True)
    traced = jax.jit(lambda key, problem: rule(key, problem, available, BATCH_SIZE)).trace(rng_key, problem)
    products = [
        line for line in traced.lower(lowering_platforms=("tpu",)).as_text().splitlines() if "dot_general" in line
    ]
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
    assert bool(products) == (rule not in WITHOUT_PRODUCTS)


@cases
def test_the_same_key_gives_the_same_batch(rule, rng_key):
    first = rule(rng_key, random_problem(), mask(True), BATCH_SIZE).indices
    assert first.tolist() == rule(rng_key, random_problem(), mask(True), BATCH_SIZE).indices.tolist()


@cases
def test_points_that_are_not_available_do_not_influence_the_choice(rule, rng_key):
    problem, other = problem_in_numpy(0), problem_in_numpy(7)
    available = np.arange(NUM_POINTS) % 2 == 0
    mixed = problem._replace(
        log_probs=np.where(available[None, :, None], problem.log_probs, other.log_probs),
        scores=np.where(available, problem.scores, other.scores),
        embeddings=np.where(available[:, None], problem.embeddings, other.embeddings),
    )
    chosen, expected = (
        rule(rng_key, jax.device_put(given), mask(available), BATCH_SIZE).indices for given in (mixed, problem)
    )
    assert chosen.tolist() == expected.tolist()


@cases
@pytest.mark.parametrize("batch_size", [0, NUM_POINTS + 1])
def test_a_batch_that_cannot_be_filled_is_refused(rule, batch_size, rng_key):
    with pytest.raises(ValueError, match="batch_size"):
        rule(rng_key, random_problem(), mask(True), batch_size)


@of_embeddings
def test_an_embedding_that_is_not_finite_is_counted_and_never_chosen(rule, rng_key):
    embeddings = problem_in_numpy(0).embeddings.copy()
    embeddings[2, 1], embeddings[5, 0] = np.nan, np.inf
    points = np.arange(NUM_POINTS)
    broken = random_problem()._replace(embeddings=jax.device_put(embeddings))
    chosen = rule(rng_key, broken, mask(points < 8), BATCH_SIZE)
    assert int(chosen.num_invalid) == 2
    without = rule(rng_key, random_problem(), mask((points < 8) & ~np.isin(points, [2, 5])), BATCH_SIZE)
    assert chosen.indices.tolist() == without.indices.tolist()
    assert int(without.num_invalid) == 0


def with_labelled(centers, weights):
    return random_problem()._replace(
        centers=jax.device_put(centers.astype(np.float32)), center_weights=jax.device_put(np.array(weights, np.float32))
    )


@with_centers
def test_what_padding_of_the_labelled_set_holds_changes_nothing(rule, rng_key):
    weights = [1.0, 0.0, 1.0, 0.0]
    centers = 2 * problem_in_numpy(0).embeddings[:4]
    other = np.where(np.array(weights)[:, None] > 0, centers, [[0.1, np.nan, 3.0, np.inf]])
    first, second = (rule(rng_key, with_labelled(given, weights), mask(True), BATCH_SIZE) for given in (centers, other))
    assert first.indices.tolist() == second.indices.tolist()
    assert first.scores.tolist() == second.scores.tolist()


@with_centers
def test_the_labelled_set_changes_the_choice(rule, rng_key):
    centers = problem_in_numpy(0).embeddings[:4]
    labelled, none = (
        rule(rng_key, with_labelled(centers, [weight] * 4), mask(True), BATCH_SIZE) for weight in (1.0, 0.0)
    )
    assert labelled.indices.tolist() != none.indices.tolist()


@with_centers
def test_a_negative_weight_is_refused(rule, rng_key):
    problem = with_labelled(problem_in_numpy(0).centers, [1.0, -1.0, 1.0, 1.0])
    with pytest.raises(ValueError, match="weights"):
        rule(rng_key, problem, mask(True), BATCH_SIZE)
