"""What every likelihood promises, of a point and of each position of an image."""

import jax
import numpy as np
import pytest

from bal import likelihoods
from bal.likelihoods import dense
from tests.likelihoods.cases import LIKELIHOODS, case, compiled, params

names = pytest.mark.parametrize("name", LIKELIHOODS)
# Points of most tests, which so share their programs; two tests divide them into eight and four.
NUM_POINTS = 12
WEIGHTS = np.random.default_rng(1).integers(0, 3, NUM_POINTS).astype(np.float32)
of_points = pytest.mark.parametrize("name", [name for name in LIKELIHOODS if name != "boxes"])


def predictive_of(likelihood, outputs):
    return jax.device_get(likelihood.reduce(of_one_draw(likelihood.predictive(params(likelihood), outputs))))


def of_one_draw(predictions):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], predictions)


def tally_of(likelihood, outputs, labels, weights):
    return likelihood.tally(predictive_of(likelihood, outputs), labels, weights)


def assert_trees_close(a, b, rtol=1e-5):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-6), a, b)


def test_every_likelihood_has_a_case():
    public = {name for name in likelihoods.__all__ if name[0].islower()} - {
        "dense",
        "depth",
        "check_batch",
    }  # depth has a file of its own
    assert public <= set(LIKELIHOODS)


@names
def test_the_loss_is_the_nll_of_the_prediction_of_one_draw(name):
    likelihood, outputs, labels = case(name, (NUM_POINTS,))
    loss = likelihood.loss(params(likelihood), outputs, labels)
    assert loss.shape == (NUM_POINTS,)
    np.testing.assert_allclose(loss, likelihood.nll(predictive_of(likelihood, outputs), labels), rtol=1e-5, atol=1e-6)


@of_points
def test_the_information_is_the_trace_of_the_expected_squared_gradient_of_the_loss(name):
    likelihood, outputs, _ = case(name, (NUM_POINTS,))
    parameters = params(likelihood)
    prediction = jax.device_get(likelihood.predictive(parameters, outputs))
    if likelihood.predicts == "gaussian":
        # Gauss-Hermite quadrature is exact here: the squared gradient is a polynomial of degree 4 in the label.
        nodes, node_weights = np.polynomial.hermite_e.hermegauss(8)
        labels = prediction.mean[:, None] + np.sqrt(prediction.variance)[:, None] * nodes.astype(np.float32)
        probs = node_weights / node_weights.sum()
    elif name == "categorical":
        labels, probs = np.tile(np.arange(4), (NUM_POINTS, 1)), np.exp(prediction)
    else:
        vectors = np.indices((2, 2, 2)).reshape(3, -1).T
        labels = np.tile(vectors, (NUM_POINTS, 1, 1))
        probs = np.exp(prediction[:, range(3), vectors].sum(axis=-1))

    def squared_gradient(label, output):
        def one(values):
            return likelihood.loss(parameters, values[None], label[None])[0]

        return (jax.grad(one)(output) ** 2).sum()

    gradients = jax.jit(jax.vmap(jax.vmap(squared_gradient, in_axes=(0, None))))(labels, outputs)
    expected = (np.asarray(gradients) * probs).sum(axis=1)
    np.testing.assert_allclose(likelihood.information(of_one_draw(prediction)), expected, rtol=1e-4)


@names
def test_figures_are_those_of_the_labelled_points_alone_whatever_padding_holds(name):
    likelihood, outputs, labels = case(name, (NUM_POINTS,))
    weights = (np.arange(NUM_POINTS) < 8).astype(np.float32)
    predictive = predictive_of(likelihood, outputs)
    rows = slice(0, 8)
    whole = likelihood.tally(*jax.tree.map(lambda leaf: leaf[rows], (predictive, labels, weights)))
    for filling in (np.nan, np.inf, -np.inf):

        def spoil(leaf, filling=filling):
            counted = weights.reshape(-1, *[1] * (leaf.ndim - 1)) > 0
            return np.where(counted, leaf, np.float32(filling))

        spoilt = likelihood.tally(jax.tree.map(spoil, predictive), labels, weights)
        assert_trees_close(likelihood.figures(spoilt), likelihood.figures(whole))
    assert all(np.isfinite(figure) for figure in likelihood.figures(whole).values())


@names
def test_tallies_of_chunks_join_to_the_tally_of_all(name):
    likelihood, outputs, labels = case(name, (NUM_POINTS,))
    whole = tally_of(likelihood, outputs, labels, WEIGHTS)
    parts = [
        tally_of(likelihood, *jax.tree.map(lambda leaf, part=part: leaf[part], (outputs, labels, WEIGHTS)))
        for part in (slice(0, 8), slice(8, NUM_POINTS))
    ]
    sums = jax.tree.map(np.add, *jax.device_get([part.sums for part in parts]))
    points = jax.tree.map(lambda *leaves: np.concatenate(leaves), *[part.points for part in parts])
    assert_trees_close(likelihoods.Tally(sums, points), whole)


@of_points
def test_a_map_of_one_position_is_a_point(name):
    likelihood, outputs, labels = case(name, (NUM_POINTS,))
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
    one_draw = of_one_draw((predictive, of_points))
    assert_trees_close(lifted.information(one_draw[0]), likelihood.information(one_draw[1]))
    figures = lifted.figures(lifted.tally(predictive, map_labels, WEIGHTS))
    expected = likelihood.figures(likelihood.tally(of_points, labels, WEIGHTS))
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
    # Four labels in each image but one, which has none.
    is_void = np.random.default_rng(1).permuted(np.tile(np.arange(6) < 2, (4, 1)), axis=1).reshape(4, *space)
    is_void[1] = True
    column = is_void.reshape(*is_void.shape, *[1] * likelihood.label_ndim)
    labels = np.where(column, np.asarray(void, labels.dtype), labels)
    lifted.check(labels[[0, 2, 3]], outputs[[0, 2, 3]])
    spoilt = np.where(is_void[..., None], np.float32(np.inf), outputs)
    parameters = params(lifted)

    losses = np.asarray(lifted.loss(parameters, spoilt, labels))
    for image in (0, 2, 3):
        counted = ~is_void[image]
        alone = likelihood.loss(parameters, outputs[image][counted], labels[image][counted])
        np.testing.assert_allclose(losses[image], np.mean(alone), rtol=1e-5)
    assert losses[1] == 0
    gradient = np.asarray(jax.jit(jax.grad(lambda outputs: lifted.loss(parameters, outputs, labels).sum()))(spoilt))
    assert (gradient[is_void] == 0).all()
    assert (gradient[~is_void] != 0).any()

    predictive = predictive_of(lifted, outputs)
    np.testing.assert_allclose(lifted.nll(predictive, labels), losses, rtol=1e-4, atol=1e-6)
    weights = np.array([1.0, 5.0, 2.0, 0.0], np.float32)
    figures = lifted.figures(lifted.tally(predictive, labels, weights))
    of_positions = np.repeat(weights, np.prod(space)).reshape(is_void.shape)[~is_void]
    counted_predictive = jax.tree.map(lambda leaf: leaf[~is_void], predictive)
    expected = likelihood.figures(likelihood.tally(counted_predictive, labels[~is_void], of_positions))
    shared = set(figures) & set(expected)
    assert_trees_close({name: figures[name] for name in shared}, {name: expected[name] for name in shared})
    assert lifted.tally(predictive, labels, weights).points == ()


@names
def test_everything_works_under_jit_and_vmap(name):
    likelihood, outputs, labels = case(name, (NUM_POINTS,))
    parameters = params(likelihood)

    def figures(outputs):
        likelihood.check(labels, outputs)
        draws = jax.tree.map(lambda leaf: leaf[None], likelihood.predictive(parameters, outputs))
        return likelihood.figures(likelihood.tally(likelihood.reduce(draws), labels, WEIGHTS))

    both = jax.jit(jax.vmap(figures))(np.stack([outputs, outputs[::-1]]))
    likelihood.check(labels, outputs)
    alone = likelihood.figures(tally_of(likelihood, outputs, labels, WEIGHTS))
    assert_trees_close(jax.tree.map(lambda leaf: np.asarray(leaf)[0], both), alone)
