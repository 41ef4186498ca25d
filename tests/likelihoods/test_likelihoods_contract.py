"""What every likelihood promises, of a point and of each position of an image."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bal import likelihoods
from bal.likelihoods import dense
from tests.likelihoods import cases
from tests.likelihoods.cases import LIKELIHOODS, params

names = pytest.mark.parametrize("name", LIKELIHOODS)
of_points = pytest.mark.parametrize("name", [name for name in LIKELIHOODS if name != "boxes"])
COMPILED = ("loss", "predictive", "reduce", "nll", "tally", "figures", "information")


def compiled(likelihood):
    """One program for each shape, where each operation by itself would be one."""
    return likelihood._replace(**{name: jax.jit(getattr(likelihood, name)) for name in COMPILED})


def case(name, points):
    return cases.case(name, points)._replace(likelihood=compiled(LIKELIHOODS[name]))


def predictive_of(likelihood, outputs):
    return likelihood.reduce(jax.tree.map(lambda leaf: leaf[None], likelihood.predictive(params(likelihood), outputs)))


def tally_of(likelihood, outputs, labels, weights):
    return likelihood.tally(predictive_of(likelihood, outputs), labels, weights)


def assert_trees_close(a, b, rtol=1e-5):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-6), a, b)


def test_every_likelihood_has_a_case():
    public = {name for name in likelihoods.__all__ if name[0].islower()} - {"dense", "check_batch"}
    assert public <= set(LIKELIHOODS)


@names
def test_the_loss_is_the_nll_of_the_prediction_of_one_draw(name):
    likelihood, outputs, labels = case(name, (7,))
    loss = likelihood.loss(params(likelihood), outputs, labels)
    assert loss.shape == (7,)
    np.testing.assert_allclose(loss, likelihood.nll(predictive_of(likelihood, outputs), labels), rtol=1e-5, atol=1e-6)


@of_points
def test_the_information_is_the_trace_of_the_expected_squared_gradient_of_the_loss(name):
    likelihood, outputs, _ = case(name, (3,))
    one_draw = jax.tree.map(lambda leaf: leaf[None], likelihood.predictive(params(likelihood), outputs))
    information = likelihood.information(one_draw)

    def squared_gradient(label, output):
        def one(values):
            return likelihood.loss(params(likelihood), values[None], label[None])[0]

        return (jax.grad(one)(output) ** 2).sum()

    for output, actual in zip(outputs, information, strict=True):
        prediction = likelihood.predictive(params(likelihood), output[None])
        if likelihood.predicts == "gaussian":
            # Gauss-Hermite quadrature is exact here: the squared gradient is a polynomial of degree 4 in the label.
            nodes, node_weights = np.polynomial.hermite_e.hermegauss(8)
            labels = prediction.mean + jnp.sqrt(prediction.variance) * jnp.asarray(nodes, jnp.float32)
            probs = node_weights / node_weights.sum()
        elif name == "categorical":
            labels, probs = jnp.arange(4), np.exp(prediction[0])
        else:
            labels = jnp.asarray(np.indices((2, 2, 2)).reshape(3, -1).T)
            repeated = jnp.repeat(prediction, labels.shape[0], axis=0)
            probs = np.exp(-likelihood.nll(repeated, labels))
        gradients = jax.vmap(squared_gradient, in_axes=(0, None))(labels, output)
        np.testing.assert_allclose(actual, (np.asarray(gradients) * probs).sum(), rtol=1e-4)


@names
def test_figures_are_those_of_the_labelled_points_alone_whatever_padding_holds(name):
    likelihood, outputs, labels = case(name, (40,))
    weights = (jnp.arange(40) < 30).astype(jnp.float32)
    predictive = predictive_of(likelihood, outputs)
    rows = slice(0, 30)
    whole = likelihood.tally(*jax.tree.map(lambda leaf: leaf[rows], (predictive, labels, weights)))
    for filling in (jnp.nan, jnp.inf, -jnp.inf):

        def spoil(leaf, filling=filling):
            counted = weights.reshape(-1, *[1] * (leaf.ndim - 1)) > 0
            return jnp.where(counted, leaf, filling)

        spoilt = likelihood.tally(jax.tree.map(spoil, predictive), labels, weights)
        assert_trees_close(likelihood.figures(spoilt), likelihood.figures(whole))
    assert all(jnp.isfinite(figure) for figure in likelihood.figures(whole).values())


@names
def test_tallies_of_chunks_join_to_the_tally_of_all(name):
    likelihood, outputs, labels = case(name, (20,))
    weights = jnp.asarray(np.random.default_rng(1).integers(0, 3, 20), jnp.float32)
    whole = tally_of(likelihood, outputs, labels, weights)
    parts = [
        tally_of(likelihood, *jax.tree.map(lambda leaf, part=part: leaf[part], (outputs, labels, weights)))
        for part in (slice(0, 8), slice(8, 20))
    ]
    sums = jax.tree.map(jnp.add, *[part.sums for part in parts])
    points = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *[part.points for part in parts])
    assert_trees_close(likelihoods.Tally(sums, points), whole)


@of_points
def test_a_map_of_one_position_is_a_point(name):
    likelihood, outputs, labels = case(name, (12,))
    lifted = compiled(dense(likelihood))
    assert lifted.predicts == f"dense {likelihood.predicts}"
    maps, map_labels = outputs[:, None, None], labels[:, None, None]
    parameters = params(lifted)
    lifted.check(map_labels, maps)
    assert_trees_close(lifted.loss(parameters, maps, map_labels), likelihood.loss(parameters, outputs, labels))
    predictive, of_points = predictive_of(lifted, maps), predictive_of(likelihood, outputs)
    lifted.check(map_labels, predictive=predictive)
    assert_trees_close(predictive, jax.tree.map(lambda leaf: leaf[:, None, None], of_points))
    assert_trees_close(lifted.nll(predictive, map_labels), likelihood.nll(of_points, labels))
    one_draw = jax.tree.map(lambda leaf: leaf[None], (predictive, of_points))
    assert_trees_close(lifted.information(one_draw[0]), likelihood.information(one_draw[1]))
    weights = jnp.asarray(np.random.default_rng(1).integers(0, 3, 12), jnp.float32)
    figures = lifted.figures(lifted.tally(predictive, map_labels, weights))
    expected = likelihood.figures(likelihood.tally(of_points, labels, weights))
    shared = set(figures) & set(expected)
    assert {"nll"} < shared
    assert_trees_close({name: figures[name] for name in shared}, {name: expected[name] for name in shared})


@of_points
@pytest.mark.parametrize("space", [(2, 1, 3)])
def test_void_positions_count_nowhere(name, space):
    likelihood, outputs, labels = case(name, (4, *space))
    real = likelihood.predicts == "gaussian"
    void = float("nan") if real else 255
    lifted = compiled(dense(likelihood, void=void))
    is_void = np.random.default_rng(1).random((4, *space)) < 0.4
    is_void[1] = True  # an image without a label
    column = is_void.reshape(*is_void.shape, *[1] * likelihood.label_ndim)
    labels = jnp.where(column, jnp.asarray(void, labels.dtype), labels)
    lifted.check(labels, outputs)
    spoilt = jnp.where(is_void[..., None], jnp.inf, outputs)
    parameters = params(lifted)

    losses = lifted.loss(parameters, spoilt, labels)
    for image in range(4):
        counted = ~is_void[image]
        alone = likelihood.loss(parameters, outputs[image][counted], labels[image][counted])
        np.testing.assert_allclose(losses[image], alone.mean() if counted.any() else 0.0, rtol=1e-5)
    gradient = jax.jit(jax.grad(lambda outputs: lifted.loss(parameters, outputs, labels).sum()))(spoilt)
    assert (gradient[is_void] == 0).all()
    assert (gradient[~is_void] != 0).any()

    predictive = predictive_of(lifted, outputs)
    np.testing.assert_allclose(lifted.nll(predictive, labels), losses, rtol=1e-4, atol=1e-6)
    weights = jnp.array([1.0, 5.0, 2.0, 0.0])
    figures = lifted.figures(lifted.tally(predictive, labels, weights))
    of_positions = np.repeat(weights, np.prod(space)).reshape(is_void.shape)[~is_void]
    counted_predictive = jax.tree.map(lambda leaf: leaf[~is_void], predictive)
    expected = likelihood.figures(likelihood.tally(counted_predictive, labels[~is_void], jnp.asarray(of_positions)))
    shared = set(figures) & set(expected)
    assert_trees_close({name: figures[name] for name in shared}, {name: expected[name] for name in shared})
    assert lifted.tally(predictive, labels, weights).points == ()


@names
def test_everything_works_under_jit_and_vmap(name):
    likelihood, outputs, labels = case(name, (6,))

    def figures(outputs):
        likelihood.check(labels, outputs)
        return likelihood.figures(tally_of(likelihood, outputs, labels, jnp.ones(6)))

    both = jax.jit(jax.vmap(figures))(jnp.stack([outputs, outputs[::-1]]))
    assert_trees_close(jax.tree.map(lambda leaf: leaf[0], both), figures(outputs))
