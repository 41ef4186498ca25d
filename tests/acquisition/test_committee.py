"""Committee scores against counting and divergences in float64, and their known answers."""

import jax
import numpy as np
from scipy.special import log_softmax

from bal import acquisition

# One program for each shape, where each operation by itself would be one.
bald, consensus_kl, vote_entropy = (
    jax.jit(score) for score in (acquisition.bald, acquisition.consensus_kl, acquisition.vote_entropy)
)


def vote_entropy_loop(probs):
    votes = [int(row.argmax()) for row in probs]
    shares = [votes.count(c) / len(votes) for c in range(probs.shape[1])]
    return -sum(share * np.log(share) for share in shares if share > 0)


def consensus_kl_loop(probs):
    consensus = probs.mean(axis=0)
    return np.mean([sum(p * np.log(p / q) for p, q in zip(row, consensus, strict=True) if p > 0) for row in probs])


def test_committee_scores_equal_the_formulas_of_the_papers():
    probs = np.random.default_rng(0).dirichlet(np.full(4, 0.4), size=(9, 20))
    log_probs = np.log(probs).astype(np.float32)
    for score, loop in ((vote_entropy, vote_entropy_loop), (consensus_kl, consensus_kl_loop)):
        expected = [loop(probs[:, point]) for point in range(20)]
        np.testing.assert_allclose(score(log_probs), expected, rtol=1e-4, atol=2e-6)


def test_consensus_kl_is_bald():
    log_probs = log_softmax(3 * np.random.default_rng(0).normal(size=(9, 20, 4)), axis=-1).astype(np.float32)
    np.testing.assert_allclose(consensus_kl(log_probs), bald(log_probs), atol=1e-6)


def test_votes_that_all_differ_have_the_largest_entropy_and_equal_votes_none():
    weak = np.log(0.2 * np.eye(5, dtype=np.float32)[:, None] + np.float32(0.16))
    entropy, divergence = np.asarray(vote_entropy(weak)), np.asarray(consensus_kl(weak))
    np.testing.assert_allclose(entropy, [np.log(5)], rtol=1e-5)
    assert vote_entropy(weak[:1]).tolist() == [0]
    assert entropy[0] > 10 * divergence[0]
