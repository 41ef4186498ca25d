"""Strategies on images with a label for each position."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.tree_util import Partial

import bal
from bal import pool as pools
from bal.strategies import STRATEGIES
from bal.types import Dataset, Gaussian
from bal.view import pool_view

NUM_IMAGES, NUM_DRAWS, NUM_CLASSES, BUDGET = 24, 4, 4, 20
RNG = np.random.default_rng(0)
# The inputs are the log-probabilities that are predicted for them.
LOG_PROBS = jax.nn.log_softmax(
    jnp.asarray(2 * RNG.normal(size=(NUM_IMAGES, NUM_DRAWS, 3, 5, NUM_CLASSES)), jnp.float32)
)
LABELS = np.zeros((NUM_IMAGES, 3, 5), np.int32)
for number, class_number in enumerate((1, 1, 1, 1, 2, 2, 3)):
    LABELS[number, 1, 2] = class_number
LABELS[20:] = 255  # void


def draws_first(leaf):
    return jnp.moveaxis(leaf, 1, 0)


def as_gaussian(leaf):
    return Gaussian(draws_first(leaf)[..., 0], jnp.exp(draws_first(leaf)[..., 1]))


def view_of(predict=draws_first, num_labelled=0):
    dataset = Dataset(LOG_PROBS, LABELS)
    pool = pools.empty_pool(NUM_IMAGES, BUDGET, LABELS)
    pool = pools.add_labels(pool, jnp.arange(num_labelled), LABELS[:num_labelled])
    return pool_view(
        jax.random.key(0),
        dataset,
        pool,
        pools.labelled_batch(pool, dataset.pool_inputs),
        predict=Partial(predict),
        information=Partial(lambda predictions: predictions),
        noise=None,
        features={},
        covariance=None,
        stream=partial(bal.stream, chunk_size=7),
        privileged_loss=Partial(lambda inputs, labels: labels),
    )


@pytest.mark.parametrize("aggregate", ["mean", "max", bal.acquisition.top_fraction(0.2)])
def test_scores_of_points_take_images(aggregate):
    for name, kind in (("bald", draws_first), ("margin", draws_first), ("gaussian_bald", as_gaussian)):
        strategy = STRATEGIES[name](batch_size=5, aggregate=aggregate)
        chosen = jax.jit(strategy.select)(jax.random.key(0), view_of(kind))
        predictions = kind(LOG_PROBS)
        maps = getattr(bal.acquisition, name)(predictions)
        scores = np.asarray(bal.acquisition.aggregate(maps, predictions, aggregate))
        assert chosen.indices.tolist() == np.argsort(-scores)[:5].tolist()


def test_aggregates_are_checked_before_anything_runs():
    for name in ("bald", "power_bald", "epistemic_variance", "clasp_pe"):
        with pytest.raises(ValueError, match="expected aggregate to be one of 'mean'"):
            STRATEGIES[name](batch_size=2, aggregate="means")


def test_foreground_random_shows_every_class_in_turn_and_never_a_void_one():
    strategy = bal.strategies.foreground_random(batch_size=6, share=0.5)
    select = jax.jit(jax.vmap(strategy.select, in_axes=(0, None)))
    chosen = np.asarray(select(jax.random.split(jax.random.key(0), 200), view_of()).indices)
    shown = LABELS.max(axis=(1, 2))
    for batch in chosen:
        assert len(set(batch.tolist())) == 6
        assert sorted(shown[batch[:3]].tolist()) == [1, 2, 3]
    # Within a class and in the other half the choice is random.
    assert set(chosen[:, :3][shown[chosen[:, :3]] == 1].tolist()) == {0, 1, 2, 3}
    assert set(chosen[:, 3:].ravel().tolist()) == set(range(NUM_IMAGES)) - {6}  # the only image of its class
    plain = bal.strategies.foreground_random(batch_size=6, share=0.0).select(jax.random.key(0), view_of())
    assert len(set(plain.indices.tolist())) == 6


def test_foreground_random_reads_labels_and_says_so():
    strategy = bal.strategies.foreground_random(batch_size=2)
    assert strategy.privileged
    with pytest.raises(ValueError, match="labels of the pool"):
        strategy.select(jax.random.key(0), view_of()._replace(labels=None))
    for share in (-0.1, 1.1):
        with pytest.raises(ValueError, match="share"):
            bal.strategies.foreground_random(batch_size=2, share=share)


def class_entropies():
    probs = np.exp(np.asarray(LOG_PROBS, np.float64)).mean(axis=1)
    entropies = -(probs * np.log(probs)).sum(axis=-1)
    predicted = probs.argmax(axis=-1)
    of_classes = np.full((NUM_IMAGES, NUM_CLASSES), -np.inf)
    for image in range(NUM_IMAGES):
        for number in set(predicted[image].ravel().tolist()):
            of_classes[image, number] = entropies[image][predicted[image] == number].mean()
    return of_classes, entropies.mean(axis=(1, 2))


def test_clasp_pe_without_noise_takes_the_best_of_each_class_and_then_of_all():
    strategy = bal.strategies.clasp_pe(batch_size=6, beta=(1e4, 1e4))
    chosen = jax.jit(strategy.select)(jax.random.key(0), view_of())
    of_classes, of_images = class_entropies()
    left, turns = np.ones(NUM_IMAGES, bool), []
    for index in chosen.indices[:4].tolist():
        turns.append([c for c in range(NUM_CLASSES) if of_classes[index, c] == of_classes[left, c].max()])
        left[index] = False
    assert any(sorted(order) == [0, 1, 2, 3] for order in np.array(np.meshgrid(*turns)).T.reshape(-1, 4).tolist())
    assert chosen.indices[4:].tolist() == np.argsort(np.where(left, -of_images, np.inf))[:2].tolist()
    np.testing.assert_allclose(chosen.scores, of_images[np.asarray(chosen.indices)], rtol=1e-5)


def test_the_noise_of_clasp_pe_falls_as_labels_are_used():
    """Early batches are nearly random, late ones nearly the best."""
    strategy = bal.strategies.clasp_pe(batch_size=2, share=0.0, beta=(0.01, 1e4))
    select = jax.jit(jax.vmap(strategy.select, in_axes=(0, None)))
    keys = jax.random.split(jax.random.key(0), 100)
    early, late = (np.asarray(select(keys, view_of(num_labelled=count)).indices) for count in (0, BUDGET - 2))
    assert len(np.unique(early)) == NUM_IMAGES
    best = np.argsort(-class_entropies()[1][BUDGET - 2 :])[:2] + BUDGET - 2
    assert np.unique(late).tolist() == sorted(best.tolist())


def test_strategies_of_points_refuse_images():
    network, likelihood = bal.networks.unet(num_outputs=2), bal.likelihoods.dense(bal.likelihoods.categorical())
    posterior = bal.posteriors.mc_dropout(network, likelihood, None)
    with pytest.raises(ValueError, match="dense categorical.*bald.*clasp_pe"):
        bal.build(posterior, bal.strategies.batch_bald(batch_size=2), num_samples=4, num_initial=2, num_rounds=1)
