"""The loop: a run is one program of a key, rounds keep their invariants, labels are read where they may be."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh
from scipy.stats import spearmanr

import bal
from bal.strategies import STRATEGIES
from tests.prototypes import class_means, linear_regression

KEY = jax.random.key(0)
MEANS = class_means()
ONLY = {"embedding": MEANS.features["embedding"]}
NETWORK = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,), dropout_rate=0.4)
TRAINING = {"num_steps": 15, "minibatch_size": 8}
DROPOUT = bal.posteriors.mc_dropout(NETWORK, bal.likelihoods.categorical(), optax.adam(1e-2), **TRAINING)
ENSEMBLE = bal.posteriors.deep_ensemble(
    NETWORK, bal.likelihoods.categorical(), optax.adam(1e-2), num_members=3, **TRAINING
)


@functools.partial(jax.jit, static_argnames=("num_points", "num_test"))
def blobs(num_points=48, num_test=20):
    """Three classes around three corners; the pool and the test set are different draws."""
    key_labels, key_noise = jax.random.split(jax.random.key(7))
    labels = jax.random.randint(key_labels, (num_points + num_test,), 0, 3)
    inputs = 3 * jax.nn.one_hot(labels, 3) + jax.random.normal(key_noise, (num_points + num_test, 3))
    return bal.Dataset(inputs[:num_points], labels[:num_points], inputs[num_points:], labels[num_points:])


DATASET = blobs()


def build(strategy=None, posterior=MEANS, **settings):
    defaults = {"num_samples": 4, "num_initial": 6, "num_rounds": 4}
    strategy = bal.strategies.bald(batch_size=3) if strategy is None else strategy
    return bal.build(posterior, strategy, **{**defaults, **settings})


def compiled_run(learner):
    """(key, data set) -> state and info of a whole run."""
    return jax.jit(lambda key, data: bal.run(key, learner, data))


@functools.cache
def program(strategy="bald", **settings):
    """A run of class means, compiled once for all tests."""
    return compiled_run(build(STRATEGIES[strategy](batch_size=3), **settings))


@functools.cache
def dropout_program(num_rounds):
    return compiled_run(build(posterior=DROPOUT, num_rounds=num_rounds))


@functools.cache
def compiled_step():
    """A round of the learner that ``build`` makes by default."""
    return jax.jit(build().step)


def assert_same(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def test_a_run_keeps_the_invariants_of_the_pool():
    for name in ("random", "bald", "batch_bald"):  # tests/test_strategies.py has the others
        state, info = jax.device_get(program(name)(jax.random.key(1), DATASET))
        assert info.num_labelled.tolist() == [6, 9, 12, 15], name
        held = state.pool.indices.tolist()
        assert len(set(held)) == len(held) == 18
        assert (~state.pool.available).nonzero()[0].tolist() == sorted(held)
        np.testing.assert_array_equal(state.pool.labels, np.asarray(DATASET.pool_labels)[state.pool.indices])
        np.testing.assert_array_equal(state.pool.indices[6:], info.selection.indices.ravel())
        assert np.isfinite(info.metrics["nll"]).all()


def test_a_run_compiles_once_whatever_its_length_and_not_again_for_another_key():
    lengths = []
    for num_rounds in (2, 4):
        run = dropout_program(num_rounds)
        run(jax.random.key(0), DATASET)
        run(jax.random.key(1), DATASET)
        assert run._cache_size() == 1
        lengths.append(len(str(run.trace(jax.random.key(0), DATASET).jaxpr)))
    # The program of four rounds is that of two: only numbers differ.
    assert abs(lengths[1] - lengths[0]) < 0.01 * lengths[0]


def test_vmapped_seeds_follow_the_single_runs():
    alone = dropout_program(2)
    keys = jax.random.split(jax.random.key(0), 3)
    together, _ = jax.jit(jax.vmap(alone, in_axes=(0, None)))(keys, DATASET)
    for seed in range(3):
        # Later rounds may part by rounding.
        assert together.pool.indices[seed, :9].tolist() == alone(keys[seed], DATASET)[0].pool.indices[:9].tolist()


def test_the_same_key_gives_the_same_run_and_another_key_another():
    first, again, other = (program()(jax.random.key(seed), DATASET) for seed in (0, 0, 1))
    assert_same(first, again, rtol=0)
    assert first[0].pool.indices.tolist() != other[0].pool.indices.tolist()


def test_steps_from_the_host_are_the_run():
    key = jax.random.key(0)
    state = build().init(key, DATASET)
    for _ in range(4):
        state, _ = compiled_step()(key, state, DATASET)
    assert state.pool.indices.tolist() == program()(key, DATASET)[0].pool.indices.tolist()


def test_a_longer_run_extends_a_shorter_one():
    runs = [dropout_program(n)(jax.random.key(0), DATASET) for n in (2, 4)]
    assert runs[1][0].pool.indices[:12].tolist() == runs[0][0].pool.indices.tolist()


def test_strategies_with_the_same_key_start_from_the_same_points_and_model():
    infos = [jax.device_get(program(name)(jax.random.key(0), DATASET)[1]) for name in ("random", "bald")]
    assert infos[0].selection.indices.tolist() != infos[1].selection.indices.tolist()
    assert_same(*[jax.tree.map(lambda leaf: leaf[0], info.metrics) for info in infos], rtol=1e-6)


def test_each_key_governs_its_own_source_of_randomness():
    learner = build(bal.strategies.random(batch_size=3))
    keys = bal.split_keys(jax.random.key(0))
    run = jax.jit(lambda keys: bal.run(keys, learner, DATASET)[0].pool.indices)
    base = run(keys).tolist()
    other = jax.random.key(9)
    assert run(keys._replace(network=other, batches=other, samples=other, targets=other)).tolist() == base
    assert run(keys._replace(selection=other)).tolist()[:6] == base[:6]
    assert run(keys._replace(selection=other)).tolist() != base
    assert run(keys._replace(initial=other)).tolist()[:6] != base[:6]


def spoil(labels, read):
    """Other labels of all points but those of these indices."""
    unread = ~np.isin(np.arange(len(labels)), read)
    return jnp.asarray(np.where(unread, 2 - np.asarray(labels), labels))


def test_labels_are_read_for_the_points_chosen_only():
    state, _ = program()(jax.random.key(0), DATASET)
    spoilt = DATASET._replace(pool_labels=spoil(DATASET.pool_labels, state.pool.indices))
    again, _ = program()(jax.random.key(0), spoilt)
    assert again.pool.indices.tolist() == state.pool.indices.tolist()


def test_only_a_privileged_strategy_sees_the_labels_of_the_pool():
    def seen_by(privileged, pool_subset_size):
        """Places, points, labels and all arrays of the view, and whether it has a loss."""
        seen = []

        def select(rng_key, view):
            seen.append(view)
            return bal.strategies.random(batch_size=3).select(rng_key, view)

        @jax.jit
        def look(key, data):
            learner = build(bal.Strategy(3, select, privileged=privileged), pool_subset_size=pool_subset_size)
            learner.ask(key, learner.init(key, data), data)
            view = seen[-1]
            leaves = [leaf for leaf in jax.tree.leaves(view) if isinstance(leaf, jax.Array)]
            return view.pool_indices, view.take(jnp.arange(view.size)), view.labels, leaves

        return *jax.device_get(look(jax.random.key(0), DATASET)), seen[-1].loss is not None

    inputs, labels = np.asarray(DATASET.pool_inputs), np.asarray(DATASET.pool_labels)
    for pool_subset_size in (None, 7):
        indices, shown, seen_labels, _, has_loss = seen_by(True, pool_subset_size)
        assert has_loss
        # Labels are those of the points shown.
        rows = [np.flatnonzero((inputs == point).all(axis=1))[0] for point in shown]
        assert indices.tolist() == rows
        assert seen_labels.tolist() == labels[rows].tolist()
        indices, _, seen_labels, leaves, has_loss = seen_by(False, pool_subset_size)
        assert seen_labels is None
        assert not has_loss
        # Nor are they hidden anywhere else in the view.
        for hidden in (labels, labels[indices]):
            assert not any(np.array_equal(leaf, hidden) for leaf in leaves)


def test_a_privileged_strategy_needs_labels_of_the_pool():
    learner = build(bal.strategies.true_loss(batch_size=3))
    first = (jnp.arange(6), DATASET.pool_labels[:6])
    with pytest.raises(ValueError, match="privileged"):
        learner.init(jax.random.key(0), DATASET._replace(pool_labels=None), initial=first)


def test_the_rank_correlation_of_predicted_and_true_loss_is_recorded_in_each_round():
    state, info = program()(jax.random.key(0), DATASET)
    assert info.metrics["loss_rank_correlation"].shape == (4,)

    @jax.jit
    def log_probs_of(belief):
        """Predictions of the last round."""
        draws = MEANS.sample(jax.random.fold_in(bal.split_keys(jax.random.key(0)).samples, 3), belief, 4)
        return MEANS.likelihood.reduce(MEANS.predict(belief, draws, DATASET.test_inputs))

    true = -np.asarray(log_probs_of(state.posterior))[np.arange(20), np.asarray(DATASET.test_labels)]
    expected = spearmanr(np.asarray(DATASET.test_inputs)[:, 0], true).statistic
    np.testing.assert_allclose(info.metrics["loss_rank_correlation"][-1], expected, rtol=1e-4, atol=1e-5)
    bare = build(posterior=MEANS._replace(features={}), num_rounds=1)
    metrics = jax.eval_shape(lambda key: bal.run(key, bare, DATASET)[1].metrics, KEY)
    assert set(metrics) == set(info.metrics) - {"loss_rank_correlation"}


def test_the_test_set_does_not_touch_the_acquisition():
    other = DATASET._replace(test_inputs=-5 * DATASET.test_inputs)
    (state, info), (again, other_info) = (program()(jax.random.key(0), data) for data in (DATASET, other))
    assert again.pool.indices.tolist() == state.pool.indices.tolist()
    assert not np.allclose(other_info.metrics["nll"], info.metrics["nll"])


def test_chunks_do_not_change_what_is_asked_for():
    whole, parts = (run(jax.random.key(0), DATASET) for run in (program(), program(chunk_size=5)))
    assert parts[0].pool.indices.tolist() == whole[0].pool.indices.tolist()
    assert_same(parts[1].metrics, whole[1].metrics, rtol=1e-4, atol=1e-5)


def test_neither_do_devices_with_chunks_of_their_own_under_vmap_over_seeds():
    assert jax.device_count() == 8, "conftest.py forces eight host devices"
    keys = jax.random.split(jax.random.key(0), 2)
    run = program(mesh=Mesh(np.array(jax.devices()), ("pool",)), chunk_size=5)
    state, info = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, DATASET)
    for seed in range(2):
        alone, alone_info = program()(keys[seed], DATASET)
        assert state.pool.indices[seed].tolist() == alone.pool.indices.tolist()
        own = {name: values[seed] for name, values in jax.device_get(info.metrics).items()}
        assert_same(own, alone_info.metrics, rtol=1e-4, atol=1e-5)


def test_pool_subsets_return_pool_indices_of_available_points():
    whole, _ = program()(jax.random.key(0), DATASET)
    state, _ = program(num_rounds=14, pool_subset_size=5)(jax.random.key(0), DATASET)
    assert whole.pool.indices.tolist() != state.pool.indices[:18].tolist()
    # Where nearly nothing is left, a subset has absent points in it, and they are never chosen.
    assert sorted(state.pool.indices.tolist()) == list(range(48))


def test_the_predictor_of_a_round_is_the_functions_that_its_strategy_saw():
    learner, key = build(posterior=DROPOUT), jax.random.key(3)
    state, info = dropout_program(4)(key, DATASET)
    asked, scores = info.selection.indices[-1], info.selection.scores[-1]

    @jax.jit
    def bald_of(rng_key):
        return bal.acquisition.bald(learner.predictor(rng_key, state)(DATASET.pool_inputs[asked]))

    np.testing.assert_allclose(bald_of(key), scores, rtol=1e-3)
    np.testing.assert_allclose(bald_of(bal.split_keys(key)), scores, rtol=1e-3)
    assert not np.allclose(bald_of(jax.random.key(4)), scores, rtol=1e-2)
    with pytest.raises(ValueError, match="call ask or step first"):
        learner.predictor(key, learner.init(key, DATASET))


def test_no_initial_labels_are_legal():
    state, info = program(num_initial=0)(jax.random.key(0), DATASET)
    assert info.num_labelled.tolist() == [0, 3, 6, 9]
    assert (state.pool.indices < 48).all()


def test_the_evaluated_posterior_may_be_another_one():
    # It has fewer draws than the learner asks for, and all of them are evaluated.
    few = MEANS._replace(sample=lambda key, state, count: 2 * MEANS.sample(key, state, 3), max_samples=3)
    plain = program()(jax.random.key(0), DATASET)
    other = compiled_run(build(evaluation_posterior=few))(jax.random.key(0), DATASET)
    assert other[0].pool.indices[:9].tolist() == plain[0].pool.indices[:9].tolist()
    assert not np.allclose(other[1].metrics["nll"], plain[1].metrics["nll"])
    assert plain[0].evaluation == ()
    alone = compiled_run(build(bal.strategies.random(batch_size=3), few, num_samples=3))(jax.random.key(0), DATASET)
    # The first round trains both on the same points, from the same keys.
    np.testing.assert_allclose(other[1].metrics["nll"][0], alone[1].metrics["nll"][0], rtol=1e-4)


def test_by_default_there_are_as_many_samples_as_an_ensemble_has_and_32_of_any_other_posterior():
    for posterior, expected in ((ENSEMBLE, 3), (MEANS, 32)):
        learner = build(posterior=posterior, num_samples=None)
        state = jax.eval_shape(learner.init, jax.random.key(0), DATASET)
        predictions = jax.eval_shape(lambda state, f=learner: f.predictor(KEY, state)(DATASET.test_inputs), state)
        assert predictions.shape[0] == expected


def test_labels_that_are_not_standardised_are_warned_about_before_anything_runs():
    network = bal.networks.mlp(num_outputs=1, hidden_sizes=(8,), dropout_rate=0.2)
    posterior = bal.posteriors.mc_dropout(network, bal.likelihoods.gaussian(), optax.adam(1e-2), **TRAINING)
    learner = build(bal.strategies.random(batch_size=3), posterior)
    labels = DATASET.pool_inputs[:, 0]
    for wrong in (100 * labels, labels + 50):
        with pytest.warns(UserWarning, match="standard deviation .* standardise"):
            learner.init(KEY, bal.Dataset(DATASET.pool_inputs, wrong))
    learner.init(KEY, bal.Dataset(DATASET.pool_inputs, labels))


def test_a_dataset_without_a_test_set_has_no_metrics():
    untested = DATASET._replace(test_inputs=None, test_labels=None)
    assert jax.eval_shape(program(num_rounds=1), jax.random.key(0), untested)[1].metrics == {}


def test_warm_start_and_shrink_and_perturb_continue_from_the_round_before():
    @jax.jit
    def losses(number):
        """One program for all three."""

        def start(previous, fresh):
            starts = fresh, bal.warm_start(previous, fresh), bal.shrink_and_perturb()(previous, fresh)
            return jax.tree.map(lambda *leaves: jax.lax.select_n(number, *leaves), *starts)

        learner = build(bal.strategies.random(batch_size=1), DROPOUT, start=start, num_rounds=6)
        return bal.run(jax.random.key(0), learner, DATASET)[1].metrics["nll"]

    restart, warm, mixed = (losses(np.int32(number)) for number in range(3))
    np.testing.assert_allclose(restart[0], [warm[0], mixed[0]], rtol=1e-5)
    assert warm[-1] < restart[-1] - 0.05
    assert not np.allclose(mixed[1:], restart[1:])


def test_ask_and_tell_with_a_person_as_the_oracle():
    learner = build(num_rounds=3)
    ask = jax.jit(learner.ask)
    unlabelled = DATASET._replace(pool_labels=None)
    first = jnp.arange(6)
    state = learner.init(jax.random.key(0), unlabelled, initial=(first, DATASET.pool_labels[first]))
    for answered in (6, 9, 11):
        state, info = ask(jax.random.key(0), state, unlabelled)
        assert int(info.num_labelled) == answered
        asked = info.selection.indices
        # The person does not know the first one the second time.
        weights = jnp.ones(3).at[0].set(0.0) if answered == 9 else None
        state = learner.tell(state, asked, DATASET.pool_labels[asked], weights)
    with pytest.raises(ValueError, match="pool_labels"):
        learner.step(jax.random.key(0), state, unlabelled)


def test_skipped_points_are_never_asked_for():
    learner = build(num_rounds=4)
    state = learner.init(jax.random.key(0), DATASET)
    skipped = jnp.arange(0, 48, 2)
    state = learner.skip(state, skipped)
    for _ in range(4):
        state, info = compiled_step()(jax.random.key(0), state, DATASET)
        assert not set(info.selection.indices.tolist()) & set(skipped.tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_rounds": 0}, "num_rounds"),
        ({"num_initial": -1}, "num_initial"),
        ({"num_samples": 0}, "num_samples"),
        ({"initial_set": "stratified"}, "balanced"),
        ({"pool_subset_size": 2}, "pool_subset_size"),
        ({"strategy": bal.strategies.bald(batch_size=0)}, "batch_size"),
        ({"strategy": bal.strategies.bald(batch_size=3)._replace(needs=("gradient",))}, "gradient"),
        ({"posterior": ENSEMBLE, "num_samples": 4}, "num_samples between 1 and 3"),
        (
            {"posterior": ENSEMBLE, "num_samples": 1},
            "at least 2 posterior samples .*, got 1, under which every score is 0",
        ),
    ],
)
def test_settings_that_cannot_be_are_refused_by_build(change, message):
    with pytest.raises(ValueError, match=message):
        build(**change)


@pytest.mark.parametrize(
    ("settings", "dataset", "message"),
    [
        ({"num_rounds": 15}, DATASET, "label budget"),
        ({"pool_subset_size": 49}, DATASET, "pool_subset_size"),
        ({}, DATASET._replace(pool_labels=None), "initial"),
        ({}, DATASET._replace(pool_labels=DATASET.pool_labels.astype(jnp.float32)), "integer"),
        ({}, DATASET._replace(test_inputs=DATASET.test_inputs[:, :2]), "test_inputs"),
    ],
)
def test_data_that_do_not_fit_are_refused_by_init(settings, dataset, message):
    with pytest.raises(ValueError, match=message):
        build(**settings).init(jax.random.key(0), dataset)


def test_a_strategy_for_classes_refuses_gaussian_predictions():
    posterior = linear_regression(closed=False)
    dataset = bal.Dataset(DATASET.pool_inputs, DATASET.pool_inputs[:, 0], None, None)
    with pytest.raises(ValueError, match="expected a strategy for gaussian predictions, got one for categorical"):
        build(posterior=posterior)
    learner = build(bal.strategies.random(batch_size=3), posterior)
    state, _ = compiled_run(learner)(jax.random.key(0), dataset)
    assert state.pool.labels.dtype == jnp.float32


def test_inputs_may_be_any_pytree_of_integers_and_floats():
    """Images of bytes beside floats, through the posterior of the latter."""
    features = {"embedding": lambda state, inputs: MEANS.features["embedding"](state, join(inputs))}
    flat = MEANS._replace(
        init=lambda key, batch: MEANS.init(key, batch._replace(inputs=join(batch.inputs))),
        fit=lambda key, state, batch, validation=None: MEANS.fit(key, state, batch._replace(inputs=join(batch.inputs))),
        predict=lambda state, draws, inputs: MEANS.predict(state, draws, join(inputs)),
        features=features,
    )

    def join(inputs):
        return inputs["meta"] + 0.001 * inputs["image"].astype(jnp.float32)

    def split(inputs):
        image = (jnp.abs(inputs) * 20).astype(jnp.uint8)
        return {"image": image, "meta": inputs - 0.001 * image.astype(jnp.float32)}

    dataset = DATASET._replace(pool_inputs=split(DATASET.pool_inputs), test_inputs=split(DATASET.test_inputs))

    def select(rng_key, view):
        """Looks at points in each way that a view has: in chunks, by their places, and at others than the pool's."""

        def describe(points):
            return bal.acquisition.bald(view.predict(points)) + view.features["embedding"](points).sum(axis=1)

        best = bal.selection.top_k(rng_key, view.map(describe), view.available, batch_size=10).indices
        of_best = jnp.sin(describe(view.take(best)) - view.stream(describe, view.target_inputs).mean())
        scores = jnp.full(view.size, -jnp.inf).at[best].set(of_best, mode="drop")
        return bal.selection.top_k(rng_key, scores, view.available, batch_size=3)

    settings = {"pool_subset_size": 20, "chunk_size": 7, "num_rounds": 2}
    trees, arrays = (
        compiled_run(build(bal.Strategy(3, select), posterior, **settings))(KEY, data)[0].pool.indices.tolist()
        for posterior, data in ((flat, dataset), (MEANS._replace(features=ONLY), DATASET))
    )
    assert trees == arrays
    # What a strategy does with points itself shows in its trace.
    for strategy in (bal.strategies.badge(batch_size=3), bal.strategies.batch_bald(batch_size=3)):
        jax.eval_shape(compiled_run(build(strategy, flat, **settings)), KEY, dataset)


def test_seeds_under_one_vmap_share_the_memory_budget(monkeypatch):
    seen = []

    def spy(fn, inputs, **settings):
        seen.append(settings["memory_budget"])
        return bal.stream(fn, inputs, **settings)

    monkeypatch.setattr("bal.loop._build.stream", spy)
    for runs_at_once in (1, 8):
        learner = build(num_rounds=1, runs_at_once=runs_at_once)
        jax.eval_shape(lambda key, learner=learner: bal.run(key, learner, DATASET), jax.random.key(0))
    assert seen[0] == 8 * seen[-1]


def test_the_view_of_a_round_is_the_one_that_its_strategy_saw():
    seen = []

    def select(rng_key, view):
        seen.append(view)
        return bal.strategies.bald(batch_size=3).select(rng_key, view)

    learner = build(bal.Strategy(3, select), pool_subset_size=9)

    @jax.jit
    def look(key, data):
        state, info = learner.ask(key, learner.init(key, data), data)
        view = learner.view(key, state, data)
        points, absent = view.take(jnp.arange(view.size)), view.take(jnp.array([view.size]))
        both = [(each.pool_indices, each.predict(points), each.target_inputs) for each in (view, seen[-1])]
        return info.selection.indices, points, absent, both

    asked, points, absent, (view, shown) = jax.device_get(look(jax.random.key(5), DATASET))
    assert view[0].tolist() == shown[0].tolist()
    assert set(asked.tolist()) <= set(view[0].tolist())
    np.testing.assert_array_equal(points, np.asarray(DATASET.pool_inputs)[view[0]])
    np.testing.assert_allclose(view[1], shown[1], rtol=1e-5)
    np.testing.assert_array_equal(view[2], shown[2])
    # A point that is absent is zero, and its pool index is that of no point.
    assert (absent == 0).all()


def test_nan_predictions_are_counted_and_never_chosen():
    spoilt = DATASET._replace(pool_inputs=DATASET.pool_inputs.at[jnp.arange(40, 48)].set(jnp.nan))
    state = build().init(jax.random.key(0), spoilt, initial=(jnp.arange(6), DATASET.pool_labels[:6]))
    _, info = compiled_step()(jax.random.key(0), state, spoilt)
    assert int(info.selection.num_invalid) == 8
    assert (info.selection.indices < 40).all()
