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
from bal.sources import in_pieces
from bal.strategies import STRATEGIES
from bal.streaming import take_points
from bal.view import in_pool, mean_noise, pool_view
from tests.prototypes import class_means, linear_detector, linear_regression
from tests.sources.rows import Records

NUM_POINTS, BATCH_SIZE = 40, 3
# In the rounds 22 of 40 points have labels at first, and six batches are left.
NUM_LABELLED, NUM_BATCHES, BUDGET = 22, 6, 43
KEY = jax.random.key(0)
POSTERIORS = {
    "boxes": linear_detector(),
    "classes": class_means(),
    "closed": linear_regression(closed=True),
    "draws": linear_regression(closed=False),
}
OF_GAUSSIANS = {"epistemic_variance", "gaussian_bald", "gaussian_epig"}
OF_BOXES = {"detection_uncertainty", "difficulty_weighted"}
OF_ANY = {
    "bait", "feature_density", "k_center", "k_means", "k_means_plus_plus", "lcmd", "learning_loss", "max_det",
    "max_dist", "random", "true_loss", "typiclust",
}  # fmt: skip
KINDS = dict.fromkeys(OF_GAUSSIANS, "draws") | dict.fromkeys(OF_BOXES, "boxes")
CASES = {name: KINDS.get(name, "classes") for name in STRATEGIES}
# As many as a batch of three has with three classes, so that gains are exact; with more, searches have more levels.
SIZES = dict.fromkeys(("batch_bald", "batch_epig"), {"num_configurations": 9})
# Where the covariance is closed these take another way.
CLOSED = {f"{name}, closed": "closed" for name in (*sorted(OF_GAUSSIANS), "max_det")}
# Images with boxes in them are points like others.
DETECTED = {f"{name}, boxes": "boxes" for name in ("k_center", "random", "true_loss")}
cases = pytest.mark.parametrize(("case", "kind"), [*CASES.items(), *CLOSED.items(), *DETECTED.items()])


@functools.cache
def problem(kind):
    rng = np.random.default_rng(7)
    classes = rng.integers(0, 3, NUM_POINTS)
    inputs = (3 * np.eye(3)[classes] + rng.normal(size=(NUM_POINTS, 3))).astype(np.float32)
    labels = classes.astype(np.int32) if kind == "classes" else inputs.sum(axis=1)
    targets = inputs[:5] + 0.1 * rng.normal(size=(5, 3)).astype(np.float32)
    if kind == "boxes":
        corners = np.array([[1.0, 2.0, 4.0, 7.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
        labels = {
            "boxes": (corners[None] + classes[:, None, None] / 2).astype(np.float32),
            "classes": np.zeros((NUM_POINTS, 2), np.int32),
            "present": np.tile([[True, False]], (NUM_POINTS, 1)),
        }
    return jax.tree.map(jnp.asarray, bal.Dataset(inputs, labels, target_inputs=targets))


def strategy_of(case, batch_size=BATCH_SIZE, **sizes):
    name = case.split(",")[0]
    return STRATEGIES[name](batch_size=batch_size, **SIZES.get(name, {}), **sizes)


@functools.cache
def fitted(kind):
    """A posterior of four labels, and draws of it."""
    posterior, dataset = POSTERIORS[kind], problem(kind)

    @jax.jit
    def fit():
        batch = pools.labelled_batch(first_pool(kind, 6), dataset.pool_inputs)
        state, _ = posterior.fit(jax.random.key(0), posterior.init(jax.random.key(1), batch), batch)
        return state, posterior.sample(jax.random.key(2), state, 8)

    return fit()


def first_pool(kind, budget, num_labelled=4):
    dataset, first = problem(kind), jnp.arange(num_labelled)
    pool = pools.empty_pool(NUM_POINTS, budget, dataset.pool_labels)
    return pools.add_labels(pool, first, take_points(dataset.pool_labels, first))


def look(rng_key, kind, model, dataset, pool, pool_subset_size=None, **streaming):
    """What a strategy sees under a fitted model."""
    posterior, (state, draws) = POSTERIORS[kind], model
    predict = Partial(posterior.predict, state, draws)
    return pool_view(
        rng_key,
        dataset,
        pool,
        pools.labelled_batch(pool, dataset.pool_inputs),
        predict=predict,
        information=Partial(posterior.likelihood.information),
        noise=Partial(mean_noise) if posterior.likelihood.predicts == "gaussian" else None,
        features={name: Partial(feature, state) for name, feature in posterior.features.items()},
        covariance=None if posterior.covariance is None else Partial(posterior.covariance, state),
        stream=partial(bal.stream, **streaming),
        pool_subset_size=pool_subset_size,
        num_targets=5,
        # Given to all of them here; that the loop does not is tested in tests/test_loop.py.
        privileged_loss=Partial(partial(predictive_loss, posterior.likelihood), predict),
    )


@functools.cache
def view_of(kind):
    """The view of the whole pool in the first round."""
    model, dataset = fitted(kind), problem(kind)
    return jax.jit(lambda: look(jax.random.key(3), kind, model, dataset, first_pool(kind, 6)))()


def chosen(strategy, view):
    return jax.device_get(jax.jit(lambda: strategy.select(jax.random.key(0), view))())


@functools.cache
def chosen_of_whole(case, kind):
    """What a strategy chooses of the whole pool at once."""
    return chosen(strategy_of(case), view_of(kind))


@functools.cache
def programs_of_a_round(kind):
    """Two seeds look at a pool and are given the labels that they ask for: the same programs for every strategy."""
    dataset, model, mesh = problem(kind), fitted(kind), Mesh(np.array(jax.devices()[:3]), ("pool",))
    assert mesh.size == 3, "conftest.py forces eight host devices"

    def show(rng_key, pool, inputs, *, pool_subset_size=NUM_POINTS):
        shown = dataset._replace(pool_inputs=inputs)
        return look(rng_key, kind, model, shown, pool, pool_subset_size, chunk_size=3, mesh=mesh)

    def label(pool, view, indices):
        asked = in_pool(view, indices, NUM_POINTS)
        return pools.add_labels(pool, asked, take_points(dataset.pool_labels, asked)), asked

    def start(num_labelled):
        return jax.vmap(lambda _: first_pool(kind, BUDGET, num_labelled))(np.arange(2))

    shown, shown_whole = (
        jax.jit(jax.vmap(partial(show, pool_subset_size=size), in_axes=(0, 0, None))) for size in (NUM_POINTS, None)
    )
    keys, first, whole = jax.jit(lambda: (jax.random.split(KEY), start(NUM_LABELLED), start(4)))()
    views = [shown(keys, first, dataset.pool_inputs), shown_whole(keys, whole, dataset.pool_inputs)]
    # The same functions of other arrays, so that a rule compiles once for both.
    whole = jax.tree.unflatten(jax.tree.structure(views[0]), jax.tree.leaves(views[1]))
    return first, shown, jax.jit(jax.vmap(label)), whole


@functools.cache
def select_of(case):
    """Two seeds, each of whose pools is divided over three devices: the program of a strategy that most tests run."""
    select = jax.jit(jax.vmap(strategy_of(case).select))
    return lambda rng_keys, views: jax.device_get(select(rng_keys, views))


@cases
def test_rounds_on_pool_subsets_keep_the_invariants_under_vmap(case, kind):
    """A subset of as many places as there are points: in an order of its own, with ever more absent points."""
    dataset, (start, show, label, _) = problem(kind), programs_of_a_round(kind)

    def choose(rng_keys, pool, inputs):
        """A round of the loop with the same model in each."""
        view = show(rng_keys[0], pool, inputs)
        selection = select_of(case)(rng_keys[1], view)
        pool, asked = label(pool, view, selection.indices)
        return pool, selection._replace(indices=asked)

    keys, pool = jax.random.split(jax.random.key(1), (NUM_BATCHES + 1, 2, 2)), start
    for done, key in enumerate(keys, start=1):
        before = np.asarray(pool.available)
        # The last round has nothing left to ask for.
        pool, selection = choose(key, pool, dataset.pool_inputs)
        asked, held, labels = jax.device_get((selection.indices, pool.indices, pool.labels))
        count = NUM_LABELLED + min(done, NUM_BATCHES) * BATCH_SIZE
        for seed in range(2):
            # Absent points are never chosen.
            real = asked[seed][asked[seed] < NUM_POINTS]
            assert len(real) == (BATCH_SIZE if done <= NUM_BATCHES else 0)
            assert before[seed][real].all()
            assert len(set(held[seed, :count].tolist())) == count
            own = jax.tree.map(lambda leaf, seed=seed, count=count: leaf[seed, :count], labels)
            true = jax.tree.map(lambda leaf, rows=held[seed, :count]: np.asarray(leaf)[rows], dataset.pool_labels)
            jax.tree.map(np.testing.assert_array_equal, own, true)
        assert (np.asarray(selection.num_invalid) == 0).all()

    nan = (np.arange(NUM_POINTS) % 2 == 0) & (np.arange(NUM_POINTS) >= NUM_LABELLED)  # labelled points are sound
    spoilt = np.where(nan[:, None], np.nan, dataset.pool_inputs)
    selection = jax.device_get(choose(keys[0], start, spoilt)[1])
    if case.split(",")[0] not in ("random", "foreground_random"):  # they look at no input
        assert (selection.num_invalid > 0).all()
        assert (selection.indices % 2 == 1).all()


@cases
def test_a_round_of_the_loop_is_a_program(case, kind):
    """Traced, not run: tests/test_loop.py runs some of them, and the choice of each is tested above."""
    learner = bal.build(
        POSTERIORS[kind], strategy_of(case), num_samples=8, num_initial=0, num_rounds=13, pool_subset_size=16
    )
    state = jax.eval_shape(learner.init, jax.random.key(1), problem(kind))
    after, info = jax.eval_shape(learner.step, jax.random.key(1), state, problem(kind))
    # Of the same dtypes, weak or not, so that all rounds are one program.
    kinds, expected = (
        jax.tree.map(lambda leaf: (leaf.shape, leaf.dtype, leaf.weak_type), each) for each in (after, state)
    )
    assert kinds == expected
    assert info.selection.indices.shape == (BATCH_SIZE,)


@cases
def test_neither_chunks_nor_devices_nor_a_pool_on_disk_change_the_choice(case, kind):
    """Chunks of 7 points from the disk, and of 3 on each device: what depends on either differs between the two."""
    strategy, dataset = strategy_of(case), problem(kind)

    @in_pieces
    def choose(dataset):
        view = look(KEY, kind, fitted(kind), dataset, first_pool(kind, BUDGET), chunk_size=7)
        return strategy.select(KEY, view)

    divided = select_of(case)(jnp.stack([KEY, KEY]), programs_of_a_round(kind)[-1])
    read = choose(dataset._replace(pool_inputs=bal.Source(Records(np.asarray(dataset.pool_inputs)))))
    for seed in range(2):
        assert read.indices.tolist() == divided.indices[seed].tolist()
        np.testing.assert_allclose(read.scores, divided.scores[seed], rtol=1e-4, atol=1e-6)


def test_strategies_refuse_predictions_of_another_kind_before_anything_runs():
    for name, factory in STRATEGIES.items():
        strategy, wrong = factory(batch_size=2), "draws" if CASES[name] == "classes" else "classes"
        settings = {"num_samples": 4, "num_initial": 2, "num_rounds": 1}
        if name in OF_ANY:
            bal.build(POSTERIORS[wrong], strategy, **settings)
        else:
            with pytest.raises(ValueError, match="expected a strategy for (categorical|gaussian) predictions.* random"):
                bal.build(POSTERIORS[wrong], strategy, **settings)


def test_strategies_of_embeddings_say_so_before_anything_runs():
    bare = class_means()._replace(features={})
    for name in (
        "badge",
        "bait",
        "cluster_margin",
        "k_center",
        "k_means",
        "k_means_plus_plus",
        "lcmd",
        "max_dist",
        "prob_cover",
        "typiclust",
    ):
        with pytest.raises(ValueError, match="embedding"):
            bal.build(bare, STRATEGIES[name](batch_size=2), num_samples=4, num_initial=2, num_rounds=1)
    view = view_of("classes")._replace(features={})
    with pytest.raises(ValueError, match="closed covariance or the feature 'embedding'"):
        STRATEGIES["max_det"](batch_size=2).select(jax.random.key(0), view)


@pytest.mark.parametrize("name", ["batch_bald", "batch_epig"])
def test_candidates_give_the_choice_of_the_whole_pool_where_they_are_certified(name):
    whole = chosen_of_whole(name, "classes")  # all of its points are candidates
    few, many = (
        chosen(strategy_of(name, size, num_candidates=count), view_of("classes"))
        for size, count in ((5, 5), (BATCH_SIZE, 30))
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
    first = chosen_of_whole("k_center", "classes")
    state, _ = fitted("classes")
    embeddings = np.float64(problem("classes").pool_inputs) @ np.float64(state).T
    distances = np.linalg.norm(embeddings[:, None] - embeddings[None, :4], axis=-1).min(axis=1)
    assert first.indices[0] == distances.argmax()
    np.testing.assert_allclose(first.scores[0], distances.max(), rtol=1e-5)


def test_weights_of_targets_change_the_choice():
    for name, kind in (("epig", "classes"), ("gaussian_epig", "draws"), ("gaussian_epig", "closed")):
        select, view = STRATEGIES[name](batch_size=5).select, view_of(kind)
        scores = jax.jit(
            jax.vmap(lambda weights, f=select, v=view: f(jax.random.key(0), v._replace(target_weights=weights)).scores)
        )(np.eye(5, dtype=np.float32)[:2])
        assert not np.allclose(*scores)


def test_closed_covariances_are_what_many_draws_converge_to():
    posterior, (state, _) = POSTERIORS["draws"], fitted("closed")
    many = jax.jit(lambda: posterior.sample(jax.random.key(5), state, 100_000))()
    view = view_of("draws")._replace(predict=Partial(posterior.predict, state, many))
    for name in sorted(OF_GAUSSIANS):
        exact = chosen_of_whole(f"{name}, closed", "closed")
        sampled = chosen(STRATEGIES[name](batch_size=BATCH_SIZE), view)
        np.testing.assert_allclose(exact.scores, sampled.scores, rtol=0.03)


def test_max_det_of_a_closed_covariance_starts_at_the_point_of_the_largest_gaussian_bald():
    batch, single = (chosen_of_whole(f"{name}, closed", "closed") for name in ("max_det", "gaussian_bald"))
    assert batch.indices[0] == single.indices[0]
    np.testing.assert_allclose(batch.scores[0], single.scores[0], rtol=1e-4)
    assert (np.diff(batch.scores) <= 1e-6).all()


def test_learning_loss_and_true_loss_take_the_largest_predicted_and_true_losses():
    for kind in ("classes", "draws"):
        view, labels = view_of(kind), np.asarray(problem(kind).pool_labels)
        reduce = POSTERIORS[kind].likelihood.reduce
        predictive, inputs = jax.device_get(
            jax.jit(lambda v=view, f=reduce: (f(v.predict(v.take(jnp.arange(NUM_POINTS)))), v.take(jnp.arange(40))))()
        )
        if kind == "classes":
            true = -predictive[np.arange(NUM_POINTS), labels]
        else:
            squared = (labels - predictive.mean) ** 2 / predictive.variance
            true = 0.5 * np.log(2 * np.pi * predictive.variance) + 0.5 * squared
        available = np.asarray(view.available)
        for name, values in (("true_loss", true), ("learning_loss", inputs[:, 0])):
            largest = chosen_of_whole(name, kind)
            values = np.where(available, values, -np.inf)
            np.testing.assert_allclose(largest.scores, np.sort(values)[::-1][:BATCH_SIZE], rtol=1e-4, atol=1e-6)
            assert available[largest.indices].all()
    with pytest.raises(ValueError, match="labels of the pool"):
        STRATEGIES["true_loss"](batch_size=2).select(jax.random.key(0), view._replace(labels=None, loss=None))


def test_feature_density_takes_the_points_of_the_lowest_density():
    for kind in ("classes", "draws"):
        view = view_of(kind)
        chosen = STRATEGIES["feature_density"](batch_size=5).select(jax.random.key(0), view)
        norms = np.where(view.available, np.square(view.take(jnp.arange(NUM_POINTS))).sum(axis=1), -np.inf)
        np.testing.assert_allclose(chosen.scores, np.sort(norms)[::-1][:5], rtol=1e-5)
        np.testing.assert_array_equal(chosen.indices, np.argsort(-norms)[:5])


def test_class_balanced_evens_out_the_labels_that_are_there():
    view = view_of("classes")
    # Of class 0 there are many labels already, so the other two classes are asked for.
    labelled = view.labelled._replace(labels=jnp.zeros(6, jnp.int32), weights=jnp.ones(6))
    asked = chosen(bal.strategies.class_balanced(batch_size=6), view._replace(labelled=labelled))
    log_probs = jax.jit(lambda: bal.information.log_mean_exp(view.predict(view.take(jnp.arange(NUM_POINTS)))))()
    predicted = np.asarray(log_probs).argmax(axis=1)
    assert sorted(predicted[asked.indices].tolist()) == [1, 1, 1, 2, 2, 2]


def test_active_search_asks_for_the_points_of_largest_mean_probability():
    view = view_of("classes")
    log_probs = np.asarray(view.predict(view.take(jnp.arange(view.size))), np.float64)
    mean = np.where(np.asarray(view.available), np.exp(log_probs).mean(axis=0)[:, 2], -1)
    strategy = bal.strategies.active_search(batch_size=5, positive=2)
    asked = chosen(strategy, view).indices
    assert mean[asked].min() >= np.sort(mean)[-5] - 1e-6
