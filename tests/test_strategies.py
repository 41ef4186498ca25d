"""What every named strategy promises, through the loop. A new strategy is tested by being registered."""

import functools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh
from jax.tree_util import Partial

import bal
from bal import pool as pools
from bal.evaluation import predictive_loss
from bal.strategies import STRATEGIES
from bal.view import mean_noise, pool_view
from tests.prototypes import class_means, linear_regression

NUM_POINTS, BATCH_SIZE = 40, 3
POSTERIORS = {
    "classes": class_means(),
    "closed": linear_regression(closed=True),
    "draws": linear_regression(closed=False),
}
OF_GAUSSIANS = {"epistemic_variance", "gaussian_bald", "gaussian_epig"}
OF_ANY = {
    "bait", "k_center", "k_means", "lcmd", "learning_loss", "max_det", "max_dist", "random", "true_loss", "typiclust",
}  # fmt: skip
CASES = {name: "draws" if name in OF_GAUSSIANS else "classes" for name in STRATEGIES}
# Where the covariance is closed these take another way.
CLOSED = {f"{name}, closed": "closed" for name in (*sorted(OF_GAUSSIANS), "max_det")}
cases = pytest.mark.parametrize(("case", "kind"), [*CASES.items(), *CLOSED.items()])


def problem(kind):
    key_labels, key_noise, key_test = jax.random.split(jax.random.key(7), 3)
    classes = jax.random.randint(key_labels, (NUM_POINTS,), 0, 3)
    inputs = 3 * jax.nn.one_hot(classes, 3) + jax.random.normal(key_noise, (NUM_POINTS, 3))
    labels = classes if kind == "classes" else inputs.sum(axis=1)
    return bal.Dataset(inputs, labels, target_inputs=inputs[:5] + 0.1 * jax.random.normal(key_test, (5, 3)))


@functools.cache
def view_of(kind, chunk_size=None, mesh=None):
    """What a strategy sees of the first round."""
    posterior, dataset = POSTERIORS[kind], problem(kind)
    pool = pools.empty_pool(NUM_POINTS, 6, dataset.pool_labels)
    pool = pools.add_labels(pool, jnp.arange(4), dataset.pool_labels[:4])
    batch = pools.labelled_batch(pool, dataset.pool_inputs)
    state, _ = posterior.fit(jax.random.key(0), posterior.init(jax.random.key(1), batch), batch)
    draws = posterior.sample(jax.random.key(2), state, 8)
    return pool_view(
        jax.random.key(3),
        dataset,
        pool,
        batch,
        predict=Partial(posterior.predict, state, draws),
        information=Partial(posterior.likelihood.information),
        noise=Partial(mean_noise) if kind != "classes" else None,
        features={name: Partial(feature, state) for name, feature in posterior.features.items()},
        covariance=None if posterior.covariance is None else Partial(posterior.covariance, state),
        stream=partial(bal.stream, chunk_size=chunk_size, mesh=mesh),
        num_targets=5,
        # Given to all of them here; that the loop does not is tested in tests/test_loop.py.
        privileged_loss=Partial(
            partial(predictive_loss, posterior.likelihood), Partial(posterior.predict, state, draws)
        ),
    )


@cases
def test_rounds_on_pool_subsets_keep_the_invariants_under_vmap(case, kind):
    dataset = problem(kind)
    strategy = STRATEGIES[case.split(",")[0]](batch_size=BATCH_SIZE)
    learner = bal.build(
        POSTERIORS[kind], strategy, num_samples=8, num_initial=0, num_rounds=13, pool_subset_size=16, chunk_size=7
    )
    keys = jax.random.split(jax.random.key(1), 2)
    start = jax.vmap(learner.init, in_axes=(0, None))(keys, dataset)
    step = jax.jit(jax.vmap(learner.step, in_axes=(0, 0, None)))
    state = start
    for done in range(1, 14):
        before = state.pool.available
        state, info = step(keys, state, dataset)
        for seed in range(2):
            # In the end a subset has absent points in it, which are never chosen.
            assert before[seed][info.selection.indices[seed]].all()
            held = state.pool.indices[seed, : done * BATCH_SIZE]
            assert len(set(held.tolist())) == done * BATCH_SIZE
            np.testing.assert_array_equal(state.pool.labels[seed, : done * BATCH_SIZE], dataset.pool_labels[held])
        assert (info.selection.num_invalid == 0).all()

    nan = jnp.arange(NUM_POINTS) % 2 == 0
    spoilt = dataset._replace(pool_inputs=jnp.where(nan[:, None], jnp.nan, dataset.pool_inputs))
    chosen = step(keys, start, spoilt)[1].selection
    if case not in ("random", "foreground_random"):  # they look at no input
        assert (chosen.num_invalid > 0).all()
        assert (chosen.indices % 2 == 1).all()


@cases
def test_chunks_on_several_devices_do_not_change_the_choice(case, kind):
    select = STRATEGIES[case.split(",")[0]](batch_size=BATCH_SIZE).select
    mesh = Mesh(np.array(jax.devices()), ("pool",))
    assert mesh.size == 8, "conftest.py forces eight host devices"

    def choose(view):
        return jax.jit(lambda rng_key: select(rng_key, view))(jax.random.key(0))

    whole, divided = choose(view_of(kind)), choose(view_of(kind, 3, mesh))
    assert divided.indices.tolist() == whole.indices.tolist()
    np.testing.assert_allclose(divided.scores, whole.scores, rtol=1e-4, atol=1e-6)


def test_strategies_refuse_predictions_of_another_kind_before_anything_runs():
    for name, factory in STRATEGIES.items():
        strategy, wrong = factory(batch_size=2), "classes" if name in OF_GAUSSIANS else "draws"
        settings = {"num_samples": 4, "num_initial": 2, "num_rounds": 1}
        if name in OF_ANY:
            bal.build(POSTERIORS[wrong], strategy, **settings)
        else:
            with pytest.raises(ValueError, match="expected a strategy for (categorical|gaussian) predictions.* random"):
                bal.build(POSTERIORS[wrong], strategy, **settings)


def test_strategies_of_embeddings_say_so_before_anything_runs():
    bare = class_means()._replace(features={})
    for name in ("badge", "bait", "k_center", "k_means", "lcmd", "max_dist", "prob_cover", "typiclust"):
        with pytest.raises(ValueError, match="embedding"):
            bal.build(bare, STRATEGIES[name](batch_size=2), num_samples=4, num_initial=2, num_rounds=1)
    view = view_of("classes")._replace(features={})
    with pytest.raises(ValueError, match="closed covariance or the feature 'embedding'"):
        STRATEGIES["max_det"](batch_size=2).select(jax.random.key(0), view)


@pytest.mark.parametrize("name", ["batch_bald", "batch_epig"])
def test_candidates_give_the_choice_of_the_whole_pool_where_they_are_certified(name):
    view = view_of("classes")
    whole, few, many = (
        STRATEGIES[name](batch_size=BATCH_SIZE, num_candidates=count).select(jax.random.key(0), view)
        for count in (NUM_POINTS, BATCH_SIZE, 30)
    )
    assert bool(whole.certified)
    assert bool(many.certified)
    assert not bool(few.certified)
    assert many.indices.tolist() == whole.indices.tolist()
    # A gain is a difference of entropies of about 1 nat.
    np.testing.assert_allclose(many.scores, whole.scores, atol=1e-6)
    # The first choice is that of the largest gain, whatever the number of candidates.
    assert few.indices[0] == whole.indices[0]
    with pytest.raises(ValueError, match="num_candidates"):
        STRATEGIES[name](batch_size=3, num_candidates=2)


def test_labelled_points_are_centres():
    view = view_of("classes")
    strategy = bal.strategies.k_center(batch_size=BATCH_SIZE)
    chosen = strategy.select(jax.random.key(0), view)
    embeddings = np.asarray(view.features["embedding"](view.take(jnp.arange(NUM_POINTS))), np.float64)
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None, :4], axis=-1).min(axis=1)
    assert chosen.indices[0] == distances.argmax()
    np.testing.assert_allclose(chosen.scores[0], distances.max(), rtol=1e-5)


def test_weights_of_targets_change_the_choice():
    for name, kind in (("epig", "classes"), ("gaussian_epig", "draws"), ("gaussian_epig", "closed")):
        view = view_of(kind)
        select = STRATEGIES[name](batch_size=5).select
        scores = [
            select(jax.random.key(0), view._replace(target_weights=jnp.eye(5)[target])).scores for target in (0, 1)
        ]
        assert not np.allclose(*scores)


def test_closed_covariances_are_what_many_draws_converge_to():
    closed, draws = view_of("closed"), view_of("draws")
    state = closed.covariance.args[0]
    many = POSTERIORS["draws"].sample(jax.random.key(5), state, 100_000)
    draws = draws._replace(predict=Partial(POSTERIORS["draws"].predict, state, many))
    for name in sorted(OF_GAUSSIANS):
        select = STRATEGIES[name](batch_size=5).select
        exact, sampled = (select(jax.random.key(0), view) for view in (closed, draws))
        np.testing.assert_allclose(exact.scores, sampled.scores, rtol=0.03)


def test_max_det_of_a_closed_covariance_starts_at_the_point_of_the_largest_gaussian_bald():
    view = view_of("closed")
    batch = bal.strategies.max_det(batch_size=4).select(jax.random.key(0), view)
    single = bal.strategies.gaussian_bald(batch_size=1).select(jax.random.key(0), view)
    assert batch.indices[0] == single.indices[0]
    np.testing.assert_allclose(batch.scores[0], single.scores[0], rtol=1e-4)
    assert (jnp.diff(batch.scores) <= 1e-6).all()


def test_learning_loss_and_true_loss_take_the_largest_predicted_and_true_losses():
    for kind in ("classes", "draws"):
        view, dataset = view_of(kind), problem(kind)
        predictive = POSTERIORS[kind].likelihood.reduce(view.predict(view.take(jnp.arange(NUM_POINTS))))
        if kind == "classes":
            true = -np.asarray(predictive)[np.arange(NUM_POINTS), np.asarray(dataset.pool_labels)]
        else:
            squared = (np.asarray(dataset.pool_labels) - predictive.mean) ** 2 / predictive.variance
            true = 0.5 * np.log(2 * np.pi * np.asarray(predictive.variance)) + 0.5 * squared
        for name, values in (
            ("true_loss", true),
            ("learning_loss", np.asarray(view.take(jnp.arange(NUM_POINTS))[:, 0])),
        ):
            chosen = STRATEGIES[name](batch_size=5).select(jax.random.key(0), view)
            values = np.where(view.available, values, -np.inf)
            np.testing.assert_allclose(chosen.scores, np.sort(values)[::-1][:5], rtol=1e-4, atol=1e-6)
            assert view.available[chosen.indices].all()
    with pytest.raises(ValueError, match="labels of the pool"):
        STRATEGIES["true_loss"](batch_size=2).select(jax.random.key(0), view._replace(labels=None, loss=None))


def test_class_balanced_evens_out_the_labels_that_are_there():
    view = view_of("classes")
    # Of class 0 there are many labels already, so the other two classes are asked for.
    labelled = view.labelled._replace(labels=jnp.zeros(6, jnp.int32), weights=jnp.ones(6))
    chosen = bal.strategies.class_balanced(batch_size=6).select(jax.random.key(0), view._replace(labelled=labelled))
    predicted = bal.information.log_mean_exp(view.predict(view.take(jnp.arange(NUM_POINTS)))).argmax(axis=1)
    assert sorted(predicted[chosen.indices].tolist()) == [1, 1, 1, 2, 2, 2]


def test_active_search_asks_for_the_points_of_largest_mean_probability():
    view = view_of("classes")
    log_probs = np.asarray(view.predict(view.take(jnp.arange(view.size))), np.float64)
    mean = np.where(np.asarray(view.available), np.exp(log_probs).mean(axis=0)[:, 2], -1)
    strategy = bal.strategies.active_search(batch_size=5, positive=2)
    chosen = jax.jit(lambda key: strategy.select(key, view).indices)(jax.random.key(0))
    assert mean[np.asarray(chosen)].min() >= np.sort(mean)[-5] - 1e-6
