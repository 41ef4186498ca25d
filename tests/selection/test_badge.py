"""BADGE: first point, frequencies of the draws, copies, memory."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import jaxprs_in_params

from bal.selection import badge, gradient_factors


def problem(rng_key, num_points=8):
    key_outputs, key_hidden = jax.random.split(rng_key)
    log_probs = jax.nn.log_softmax(jax.random.normal(key_outputs, (num_points, 3)))
    return log_probs, jax.random.normal(key_hidden, (num_points, 5))


def dense_gradients(log_probs, embeddings):
    left, right = (np.asarray(leaf, np.float64) for leaf in gradient_factors(log_probs, embeddings))
    return np.einsum("nc,nd->ncd", left, right).reshape(len(left), -1)


def test_the_first_point_has_the_largest_gradient_and_scores_are_squared_distances(rng_key):
    log_probs, embeddings = problem(rng_key)
    gradients = dense_gradients(log_probs, embeddings)
    selection = badge(rng_key, log_probs, embeddings, jnp.ones(8, bool), batch_size=5)
    indices = selection.indices.tolist()
    assert indices[0] == np.square(gradients).sum(axis=1).argmax()
    before = [np.zeros((1, 15))] + [gradients[indices[:step]] for step in range(1, 5)]
    expected = [np.square(gradients[i] - past).sum(axis=1).min() for i, past in zip(indices, before, strict=True)]
    np.testing.assert_allclose(selection.scores, expected, rtol=1e-4)


def test_the_second_point_is_drawn_in_proportion_to_its_squared_distance(rng_key):
    log_probs, embeddings = problem(rng_key)
    gradients = dense_gradients(log_probs, embeddings)
    first = np.square(gradients).sum(axis=1).argmax()
    expected = np.square(gradients - gradients[first]).sum(axis=1)
    expected /= expected.sum()
    draw = jax.vmap(lambda key: badge(key, log_probs, embeddings, jnp.ones(8, bool), batch_size=2).indices[1])
    drawn = np.bincount(draw(jax.random.split(jax.random.key(1), 4000)), minlength=8) / 4000
    assert (np.abs(drawn - expected) <= 4 * np.sqrt(expected * (1 - expected) / 4000) + 1e-9).all()


def test_copies_are_drawn_only_after_all_different_points():
    log_probs, embeddings = jax.tree.map(lambda leaf: jnp.tile(leaf, (3, 1)), problem(jax.random.key(2), 4))
    embeddings = embeddings + 50.0
    draw = jax.vmap(lambda key: badge(key, log_probs, embeddings, jnp.ones(12, bool), batch_size=6))
    selections = draw(jax.random.split(jax.random.key(1), 50))
    assert all(len({index % 4 for index in indices[:4]}) == 4 for indices in selections.indices.tolist())
    assert all(len(set(indices)) == 6 for indices in selections.indices.tolist())
    assert (selections.scores[:, 4:] == 0).all()


def test_saturated_predictions_have_no_gradient_and_come_last(rng_key):
    log_probs = jnp.log(jnp.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [0.7, 0.3]]))
    selection = badge(rng_key, log_probs, jnp.ones((4, 3)), jnp.ones(4, bool), batch_size=4)
    assert selection.indices[0] == 1
    assert jnp.isfinite(selection.scores).all()


def test_a_prediction_that_is_nan_is_counted_and_never_drawn(rng_key):
    log_probs, embeddings = problem(rng_key)
    selection = badge(rng_key, log_probs.at[3, 0].set(jnp.nan), embeddings, jnp.ones(8, bool), batch_size=8)
    assert int(selection.num_invalid) == 1
    assert selection.indices[-1] == 8
    assert 3 not in selection.indices.tolist()


def sizes(jaxpr):
    for eqn in jaxpr.eqns:
        yield from (value.aval.size for value in eqn.outvars if hasattr(value.aval, "size"))
        for inner in jaxprs_in_params(eqn.params):
            yield from sizes(inner)


def test_the_gradients_never_exist_as_one_array():
    log_probs, embeddings = problem(jax.random.key(0), 1000)
    program = jax.make_jaxpr(lambda key: badge(key, log_probs, embeddings, jnp.ones(1000, bool), batch_size=3))
    assert 5000 <= max(sizes(program(jax.random.key(0)).jaxpr)) < 1000 * 3 * 5
