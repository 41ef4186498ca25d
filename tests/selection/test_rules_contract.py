"""What every batch rule promises. A new rule is tested by a row in ``CASES``."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import pytest
from jaxtyping import Array

from bal.selection import RULES, batch_bald, batch_epig, gumbel_top_k, top_k, uniform

NUM_POINTS = 12


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
}

cases = pytest.mark.parametrize("rule", CASES.values(), ids=CASES.keys())


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
        indices = rule(jax.random.key(seed), problem, available, 6).indices
        assert indices.dtype == jnp.int32
        assert len(set(indices.tolist())) == 6
        assert available[indices].all()


@cases
def test_the_absent_index_fills_up_a_batch_larger_than_what_is_left(rule, rng_key):
    available = jnp.arange(NUM_POINTS) < 2
    selection = rule(rng_key, random_problem(rng_key), available, 5)
    assert sorted(selection.indices.tolist()) == [0, 1, NUM_POINTS, NUM_POINTS, NUM_POINTS]
    assert selection.indices[2:].tolist() == [NUM_POINTS] * 3


@cases
def test_jit_and_vmap_agree_with_eager(rule, rng_key):
    keys = jax.random.split(rng_key, 3)
    problems = jax.vmap(random_problem)(keys)
    available = jnp.arange(NUM_POINTS) != 4
    together = jax.jit(jax.vmap(lambda key, problem: rule(key, problem, available, 4)))(keys, problems)
    for seed in range(3):
        alone = rule(keys[seed], jax.tree.map(lambda leaf, seed=seed: leaf[seed], problems), available, 4)
        assert together.indices[seed].tolist() == alone.indices.tolist()


@cases
def test_the_same_key_gives_the_same_batch(rule, rng_key):
    problem, available = random_problem(rng_key), jnp.ones(NUM_POINTS, bool)
    first = rule(rng_key, problem, available, 4).indices
    assert first.tolist() == rule(rng_key, problem, available, 4).indices.tolist()


@cases
def test_points_that_are_not_available_do_not_influence_the_choice(rule, rng_key):
    problem, available = random_problem(rng_key), jnp.arange(NUM_POINTS) % 2 == 0
    other = random_problem(jax.random.key(7))
    mixed = problem._replace(
        log_probs=jnp.where(available[None, :, None], problem.log_probs, other.log_probs),
        scores=jnp.where(available, problem.scores, other.scores),
        embeddings=jnp.where(available[:, None], problem.embeddings, other.embeddings),
    )
    assert rule(rng_key, mixed, available, 3).indices.tolist() == rule(rng_key, problem, available, 3).indices.tolist()


@cases
@pytest.mark.parametrize("batch_size", [0, NUM_POINTS + 1])
def test_a_batch_that_cannot_be_filled_is_refused(rule, batch_size, rng_key):
    with pytest.raises(ValueError, match="batch_size"):
        rule(rng_key, random_problem(rng_key), jnp.ones(NUM_POINTS, bool), batch_size)
