"""What every batch rule promises. A new rule is tested by a row in ``CASES``."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array

from bal import selection
from bal.selection import RULES, batch_bald, batch_epig, gumbel_top_k, top_k, uniform

NUM_POINTS = 12
BATCH_SIZE = 5  # one size for all, so that a rule compiles once
CENTERS = jnp.array([[1.0, -1.0, 0.5, 0.0], [0.0, 2.0, 0.0, -0.5]])


class Problem(NamedTuple):
    """What a rule may look at. Each rule takes its own part."""

    log_probs: Array  # [S, N, C]
    target_log_probs: Array  # [S, M, C]
    scores: Array  # [N], positive
    embeddings: Array  # [N, D]


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
        key, problem.embeddings, available, batch_size=size, center_embeddings=CENTERS
    ),
    "max_dist": lambda key, problem, available, size: selection.max_dist(
        key, problem.embeddings, available, batch_size=size
    ),
    "lcmd": lambda key, problem, available, size: selection.lcmd(
        key, problem.embeddings, available, batch_size=size, center_features=CENTERS
    ),
    "max_det": lambda key, problem, available, size: selection.max_det(
        key, problem.embeddings, available, batch_size=size, noise=0.1
    ),
    "badge": lambda key, problem, available, size: selection.badge(
        key, problem.log_probs[0], problem.embeddings, available, batch_size=size
    ),
    "bait": lambda key, problem, available, size: selection.bait(
        key, problem.embeddings, available, batch_size=size, labelled_features=CENTERS
    ),
    "acs_fw": lambda key, problem, available, size: selection.acs_fw(
        key, selection.log_likelihood_features(problem.log_probs), available, batch_size=size
    ),
    "k_means": lambda key, problem, available, size: selection.k_means(
        key, problem.embeddings, available, batch_size=size
    ),
    "k_means_plus_plus": lambda key, problem, available, size: selection.k_means_plus_plus(
        key, problem.embeddings, available, batch_size=size, center_features=CENTERS
    ),
    "typiclust": lambda key, problem, available, size: selection.typiclust(
        key, problem.embeddings, available, batch_size=size, min_cluster_size=1
    ),
    "prob_cover": lambda key, problem, available, size: selection.prob_cover(
        key, problem.embeddings, available, batch_size=size, radius=1.5
    ),
}

# Rules of embeddings: name -> (rng_key, embeddings, available, batch_size, centers, weights) -> Selection
WITH_CENTERS = {
    "k_center": lambda key, embeddings, available, size, centers, weights: selection.k_center(
        key, embeddings, available, batch_size=size, center_embeddings=centers, center_weights=weights
    ),
    "max_dist": lambda key, embeddings, available, size, centers, weights: selection.max_dist(
        key, embeddings, available, batch_size=size, center_features=centers, center_weights=weights
    ),
    "lcmd": lambda key, embeddings, available, size, centers, weights: selection.lcmd(
        key, embeddings, available, batch_size=size, center_features=centers, center_weights=weights
    ),
    "k_means_plus_plus": lambda key, embeddings, available, size, centers, weights: selection.k_means_plus_plus(
        key, embeddings, available, batch_size=size, center_features=centers, center_weights=weights
    ),
    "bait": lambda key, embeddings, available, size, centers, weights: selection.bait(
        key, embeddings, available, batch_size=size, labelled_features=centers, labelled_weights=weights
    ),
    "typiclust": lambda key, embeddings, available, size, centers, weights: selection.typiclust(
        key, embeddings, available, batch_size=size, center_embeddings=centers, center_weights=weights
    ),
    "prob_cover": lambda key, embeddings, available, size, centers, weights: selection.prob_cover(
        key, embeddings, available, batch_size=size, radius=1.5, center_embeddings=centers, center_weights=weights
    ),
    "max_det": lambda key, embeddings, available, size, centers, weights: selection.max_det(
        key,
        selection.condition(embeddings, centers, noise=0.1, labelled_weights=weights),
        available,
        batch_size=size,
        noise=0.1,
    ),
}

EMBEDDING_RULES = sorted({*WITH_CENTERS, "badge", "k_means"})

# The case of max_dist has no centres, and the distance to one point is a sum of squares.
WITHOUT_PRODUCTS = [
    CASES[name] for name in ("class_balanced", "class_stratified", "gumbel_top_k", "max_dist", "top_k", "uniform")
]

cases = pytest.mark.parametrize("rule", CASES.values(), ids=CASES.keys())
with_centers = pytest.mark.parametrize("rule", WITH_CENTERS.values(), ids=WITH_CENTERS.keys())
# The score of each of these is made from embeddings alone, so an embedding that is not finite makes a point invalid.
of_embeddings = pytest.mark.parametrize("rule", [CASES[name] for name in EMBEDDING_RULES], ids=EMBEDDING_RULES)


def random_problem(rng_key, num_points=NUM_POINTS):
    key_outputs, key_scores, key_embeddings, key_targets = jax.random.split(rng_key, 4)
    return Problem(
        log_probs=jax.nn.log_softmax(2 * jax.random.normal(key_outputs, (5, num_points, 3))),
        target_log_probs=jax.nn.log_softmax(2 * jax.random.normal(key_targets, (5, 2, 3))),
        scores=jax.random.uniform(key_scores, (num_points,)),
        embeddings=jax.random.normal(key_embeddings, (num_points, 4)),
    )


def test_every_registered_rule_has_a_case():
    assert set(CASES) == set(RULES)


@cases
def test_chosen_points_are_available_and_different(rule, rng_key):
    problem = random_problem(rng_key)
    available = jnp.arange(NUM_POINTS) % 3 != 0
    for seed in range(5):
        indices = rule(jax.random.key(seed), problem, available, BATCH_SIZE).indices
        assert indices.dtype == jnp.int32
        assert len(set(indices.tolist())) == BATCH_SIZE
        assert available[indices].all()


@cases
def test_the_absent_index_fills_up_a_batch_larger_than_what_is_left(rule, rng_key):
    available = jnp.arange(NUM_POINTS) < 2
    selection = rule(rng_key, random_problem(rng_key), available, BATCH_SIZE)
    assert sorted(selection.indices.tolist()) == [0, 1, NUM_POINTS, NUM_POINTS, NUM_POINTS]
    assert selection.indices[2:].tolist() == [NUM_POINTS] * 3


@cases
def test_jit_and_vmap_agree_with_eager(rule, rng_key):
    keys = jax.random.split(rng_key, 3)
    problems = jax.vmap(random_problem)(keys)
    available = jnp.arange(NUM_POINTS) != 4
    together = jax.jit(jax.vmap(lambda key, problem: rule(key, problem, available, BATCH_SIZE)))(keys, problems)
    for seed in range(3):
        alone = rule(keys[seed], jax.tree.map(lambda leaf, seed=seed: leaf[seed], problems), available, BATCH_SIZE)
        assert together.indices[seed].tolist() == alone.indices.tolist()


@cases
def test_matrix_products_are_in_full_precision_on_devices_that_round_by_default(rule, rng_key):
    problem, available = random_problem(rng_key), jnp.ones(NUM_POINTS, bool)
    traced = jax.jit(lambda key, problem: rule(key, problem, available, BATCH_SIZE)).trace(rng_key, problem)
    products = [
        line for line in traced.lower(lowering_platforms=("tpu",)).as_text().splitlines() if "dot_general" in line
    ]
    assert all("precision = [HIGHEST, HIGHEST]" in line for line in products)
    assert bool(products) == (rule not in WITHOUT_PRODUCTS)


@cases
def test_the_same_key_gives_the_same_batch(rule, rng_key):
    problem, available = random_problem(rng_key), jnp.ones(NUM_POINTS, bool)
    first = rule(rng_key, problem, available, BATCH_SIZE).indices
    assert first.tolist() == rule(rng_key, problem, available, BATCH_SIZE).indices.tolist()


@cases
def test_points_that_are_not_available_do_not_influence_the_choice(rule, rng_key):
    problem, available = random_problem(rng_key), jnp.arange(NUM_POINTS) % 2 == 0
    other = random_problem(jax.random.key(7))
    mixed = problem._replace(
        log_probs=jnp.where(available[None, :, None], problem.log_probs, other.log_probs),
        scores=jnp.where(available, problem.scores, other.scores),
        embeddings=jnp.where(available[:, None], problem.embeddings, other.embeddings),
    )
    chosen, expected = (rule(rng_key, given, available, BATCH_SIZE).indices for given in (mixed, problem))
    assert chosen.tolist() == expected.tolist()


@cases
@pytest.mark.parametrize("batch_size", [0, NUM_POINTS + 1])
def test_a_batch_that_cannot_be_filled_is_refused(rule, batch_size, rng_key):
    with pytest.raises(ValueError, match="batch_size"):
        rule(rng_key, random_problem(rng_key), jnp.ones(NUM_POINTS, bool), batch_size)


@of_embeddings
def test_an_embedding_that_is_not_finite_is_counted_and_never_chosen(rule, rng_key):
    problem = random_problem(rng_key)
    broken = problem._replace(embeddings=problem.embeddings.at[2, 1].set(jnp.nan).at[5, 0].set(jnp.inf))
    available = jnp.arange(NUM_POINTS) < 8
    chosen = rule(rng_key, broken, available, BATCH_SIZE)
    assert int(chosen.num_invalid) == 2
    without = rule(rng_key, problem, available.at[2].set(False).at[5].set(False), BATCH_SIZE)
    assert chosen.indices.tolist() == without.indices.tolist()
    assert int(without.num_invalid) == 0


@with_centers
def test_what_padding_of_the_labelled_set_holds_changes_nothing(rule, rng_key):
    embeddings, available = random_problem(rng_key).embeddings, jnp.ones(NUM_POINTS, bool)
    weights = jnp.array([1.0, 0.0, 1.0, 0.0])
    centers = 2 * embeddings[:4]
    other = jnp.where(weights[:, None] > 0, centers, jnp.array([[0.1, jnp.nan, 3.0, jnp.inf]]))
    first, second = (rule(rng_key, embeddings, available, BATCH_SIZE, given, weights) for given in (centers, other))
    assert first.indices.tolist() == second.indices.tolist()
    assert first.scores.tolist() == second.scores.tolist()


@with_centers
def test_the_labelled_set_changes_the_choice(rule, rng_key):
    embeddings, available = random_problem(rng_key).embeddings, jnp.ones(NUM_POINTS, bool)
    labelled, none = (
        rule(rng_key, embeddings, available, BATCH_SIZE, embeddings[:4], jnp.full(4, w)) for w in (1.0, 0.0)
    )
    assert labelled.indices.tolist() != none.indices.tolist()


@with_centers
def test_a_negative_weight_is_refused(rule, rng_key):
    embeddings, available = random_problem(rng_key).embeddings, jnp.ones(NUM_POINTS, bool)
    with pytest.raises(ValueError, match="weights"):
        rule(rng_key, embeddings, available, BATCH_SIZE, CENTERS, jnp.array([1.0, -1.0]))
