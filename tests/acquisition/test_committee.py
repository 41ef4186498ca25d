"""Committee scores against counting and divergences in float64, and their known answers."""

import jax
import jax.numpy as jnp
import numpy as np

from bal.acquisition import bald, consensus_kl, vote_entropy


def vote_entropy_loop(probs):
    votes = [int(row.argmax()) for row in probs]
    shares = [votes.count(c) / len(votes) for c in range(probs.shape[1])]
    return -sum(share * np.log(share) for share in shares if share > 0)


def consensus_kl_loop(probs):
    consensus = probs.mean(axis=0)
    return np.mean([sum(p * np.log(p / q) for p, q in zip(row, consensus, strict=True) if p > 0) for row in probs])


def test_committee_scores_equal_the_formulas_of_the_papers():
    probs = np.random.default_rng(0).dirichlet(np.full(4, 0.4), size=(9, 20))
    log_probs = jnp.asarray(np.log(probs), jnp.float32)
    for score, loop in ((vote_entropy, vote_entropy_loop), (consensus_kl, consensus_kl_loop)):
        expected = [loop(probs[:, point]) for point in range(20)]
        np.testing.assert_allclose(score(log_probs), expected, rtol=1e-4, atol=2e-6)


def test_consensus_kl_is_bald(rng_key):
    log_probs = jax.nn.log_softmax(3 * jax.random.normal(rng_key, (5, 30, 4)))
    np.testing.assert_allclose(consensus_kl(log_probs), bald(log_probs), atol=1e-6)


def test_votes_that_all_differ_have_the_largest_entropy_and_equal_votes_none():
    weak = jnp.log(0.2 * jnp.eye(5)[:, None] + 0.16)
    assert jnp.isclose(vote_entropy(weak)[0], jnp.log(5))
    assert vote_entropy(weak[:1])[0] == 0
    assert vote_entropy(weak)[0] > 10 * consensus_kl(weak)[0]
