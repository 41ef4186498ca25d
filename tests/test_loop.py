"""The loop: a run is one program of a key, rounds keep their invariants, labels are read where they may be."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.sharding import Mesh
from scipy.stats import spearmanr

import bal
from bal.strategies import STRATEGIES
from tests.prototypes import class_means

KEY = jax.random.key(0)
MEANS = class_means()
ONLY = {"embedding": MEANS.features["embedding"]}
NETWORK = bal.networks.mlp(num_outputs=3, hidden_sizes=(16,), dropout_rate=0.4)
TRAINING = {"num_steps": 15, "minibatch_size": 8}
DROPOUT = bal.posteriors.mc_dropout(NETWORK, bal.likelihoods.categorical(), optax.adam(1e-2), **TRAINING)
ENSEMBLE = bal.posteriors.deep_ensemble(
    NETWORK, bal.likelihoods.categorical(), optax.adam(1e-2), num_members=3, **TRAINING
)


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


def assert_same(a, b, **tolerance):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, **tolerance), a, b)


def test_a_run_keeps_the_invariants_of_the_pool():
    for name in ("random", "bald", "batch_bald"):  # tests/test_strategies.py has the others
        factory = STRATEGIES[name]
        learner = build(factory(batch_size=3))
        state, info = jax.jit(lambda key, learner=learner: bal.run(key, learner, DATASET))(jax.random.key(1))
        assert info.num_labelled.tolist() == [6, 9, 12, 15], name
        held = state.pool.indices.tolist()
        assert len(set(held)) == len(held) == 18
        assert (~state.pool.available).nonzero()[0].tolist() == sorted(held)
        np.testing.assert_array_equal(state.pool.labels, DATASET.pool_labels[state.pool.indices])
        np.testing.assert_array_equal(state.pool.indices[6:], info.selection.indices.ravel())
        assert jnp.isfinite(info.metrics["nll"]).all()


def test_a_run_compiles_once_whatever_its_length_and_not_again_for_another_key():
    compiled = []
    for num_rounds in (2, 8):
        learner = build(posterior=DROPOUT, num_rounds=num_rounds)
        run = jax.jit(lambda key, learner=learner: bal.run(key, learner, DATASET))
        run(jax.random.key(0))
        run(jax.random.key(1))
        assert run._cache_size() == 1
        compiled.append(len(run.lower(jax.random.key(0)).as_text()))
    # The program of eight rounds is that of two: only numbers differ.
    assert abs(compiled[1] - compiled[0]) < 0.01 * compiled[0]


def test_vmapped_seeds_follow_the_single_runs():
    learner = build(posterior=DROPOUT)
    keys = jax.random.split(jax.random.key(0), 3)
    together, _ = jax.jit(jax.vmap(lambda key, data: bal.run(key, learner, data), in_axes=(0, None)))(keys, DATASET)
    alone = jax.jit(lambda key: bal.run(key, learner, DATASET))
    for seed in range(3):
        # Later rounds may part by rounding.
        assert together.pool.indices[seed, :9].tolist() == alone(keys[seed])[0].pool.indices[:9].tolist()


def test_the_same_key_gives_the_same_run_and_another_key_another():
    run = jax.jit(lambda key: bal.run(key, build(), DATASET))
    first, again, other = run(jax.random.key(0)), run(jax.random.key(0)), run(jax.random.key(1))
    assert_same(first, again, rtol=0)
    assert first[0].pool.indices.tolist() != other[0].pool.indices.tolist()


def test_steps_from_the_host_are_the_run():
    learner = build()
    key = jax.random.key(0)
    step = jax.jit(learner.step)
    state = learner.init(key, DATASET)
    for _ in range(4):
        state, _ = step(key, state, DATASET)
    assert state.pool.indices.tolist() == bal.run(key, learner, DATASET)[0].pool.indices.tolist()


def test_a_longer_run_extends_a_shorter_one():
    runs = [
        jax.jit(lambda key, n=n: bal.run(key, build(posterior=DROPOUT, num_rounds=n), DATASET))(jax.random.key(0))
        for n in (2, 4)
    ]
    assert runs[1][0].pool.indices[:12].tolist() == runs[0][0].pool.indices.tolist()


def test_strategies_with_the_same_key_start_from_the_same_points_and_model():
    infos = [
        jax.jit(lambda key, s=s: bal.run(key, build(s), DATASET)[1])(jax.random.key(0))
        for s in (bal.strategies.random(batch_size=3), bal.strategies.power_bald(batch_size=3))
    ]
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


def test_labels_are_read_for_the_points_chosen_only():
    learner = build()
    state, _ = jax.jit(lambda data: bal.run(jax.random.key(0), learner, data))(DATASET)
    unread = jnp.ones(48, bool).at[state.pool.indices].set(False)
    spoilt = DATASET._replace(pool_labels=jnp.where(unread, 2 - DATASET.pool_labels, DATASET.pool_labels))
    again, _ = jax.jit(lambda data: bal.run(jax.random.key(0), learner, data))(spoilt)
    assert again.pool.indices.tolist() == state.pool.indices.tolist()


def test_only_a_privileged_strategy_sees_the_labels_of_the_pool():
    def spy(privileged):
        def select(rng_key, view):
            seen.append(view)
            return bal.strategies.random(batch_size=3).select(rng_key, view)

        return bal.Strategy(3, select, privileged=privileged)

    for pool_subset_size in (None, 7):
        seen = []
        for privileged in (False, True):
            learner = build(spy(privileged), pool_subset_size=pool_subset_size)
            learner.ask(jax.random.key(0), learner.init(jax.random.key(0), DATASET), DATASET)
        common, privileged_view = seen
        assert common.labels is None
        assert common.loss is None
        # Labels are those of the points shown.
        inputs = np.asarray(DATASET.pool_inputs)
        shown = np.asarray(privileged_view.take(jnp.arange(privileged_view.size)))
        rows = [np.flatnonzero((inputs == point).all(axis=1))[0] for point in shown]
        assert privileged_view.pool_indices.tolist() == rows
        assert privileged_view.labels.tolist() == DATASET.pool_labels[jnp.array(rows)].tolist()
        # Nor are they hidden anywhere else in the view.
        shown = DATASET.pool_labels[common.pool_indices]
        for hidden in (DATASET.pool_labels, shown):
            assert not any(np.array_equal(leaf, hidden) for leaf in jax.tree.leaves(common))


def test_a_privileged_strategy_needs_labels_of_the_pool():
    learner = build(bal.strategies.true_loss(batch_size=3))
    first = (jnp.arange(6), DATASET.pool_labels[:6])
    with pytest.raises(ValueError, match="privileged"):
        learner.init(jax.random.key(0), DATASET._replace(pool_labels=None), initial=first)


def test_the_rank_correlation_of_predicted_and_true_loss_is_recorded_in_each_round():
    info = jax.jit(lambda key: bal.run(key, build(), DATASET)[1])(jax.random.key(0))
    assert info.metrics["loss_rank_correlation"].shape == (4,)
    state = build().init(jax.random.key(0), DATASET)
    state, first = build().ask(jax.random.key(0), state, DATASET)
    draws = MEANS.sample(jax.random.fold_in(bal.split_keys(jax.random.key(0)).samples, 0), state.posterior, 4)
    log_probs = MEANS.likelihood.reduce(MEANS.predict(state.posterior, draws, DATASET.test_inputs))
    true = -np.asarray(log_probs)[np.arange(20), np.asarray(DATASET.test_labels)]
    expected = spearmanr(DATASET.test_inputs[:, 0], true).statistic
    np.testing.assert_allclose(first.metrics["loss_rank_correlation"], expected, rtol=1e-4, atol=1e-5)
    bare = build(posterior=MEANS._replace(features={}), num_rounds=1)
    assert "loss_rank_correlation" not in bal.run(jax.random.key(0), bare, DATASET)[1].metrics


def test_the_test_set_does_not_touch_the_acquisition():
    learner = build()
    run = jax.jit(lambda data: bal.run(jax.random.key(0), learner, data)[0].pool.indices)
    assert run(DATASET).tolist() == run(DATASET._replace(test_inputs=-5 * DATASET.test_inputs)).tolist()


def test_chunks_and_devices_do_not_change_what_is_asked_for():
    assert jax.device_count() == 8, "conftest.py forces eight host devices"
    mesh = Mesh(np.array(jax.devices()), ("pool",))
    whole = jax.jit(lambda key: bal.run(key, build(), DATASET))(jax.random.key(0))
    for settings in ({"chunk_size": 5}, {"mesh": mesh}, {"mesh": mesh, "chunk_size": 5}):
        parts = jax.jit(lambda key, s=settings: bal.run(key, build(**s), DATASET))(jax.random.key(0))
        assert parts[0].pool.indices.tolist() == whole[0].pool.indices.tolist(), settings
        assert_same(parts[1].metrics, whole[1].metrics, rtol=1e-4, atol=1e-5)


def test_a_mesh_works_under_vmap_over_seeds():
    learner = build(mesh=Mesh(np.array(jax.devices()), ("pool",)))
    keys = jax.random.split(jax.random.key(0), 2)
    state, _ = jax.jit(jax.vmap(lambda key, data: bal.run(key, learner, data), in_axes=(0, None)))(keys, DATASET)
    alone = jax.jit(lambda key: bal.run(key, build(), DATASET))(keys[1])[0]
    assert state.pool.indices[1, :9].tolist() == alone.pool.indices[:9].tolist()


def test_pool_subsets_return_pool_indices_of_available_points():
    learner = build(pool_subset_size=5)
    state, info = jax.jit(lambda key: bal.run(key, learner, DATASET))(jax.random.key(0))
    assert len(set(state.pool.indices.tolist())) == 18
    whole, _ = jax.jit(lambda key: bal.run(key, build(), DATASET))(jax.random.key(0))
    assert whole.pool.indices.tolist() != state.pool.indices.tolist()
    # Where nearly nothing is left, a subset has absent points in it, and they are never chosen.
    learner = build(num_rounds=14, pool_subset_size=5)
    state, info = jax.jit(lambda key: bal.run(key, learner, DATASET))(jax.random.key(0))
    assert sorted(state.pool.indices.tolist()) == list(range(48))


def test_the_predictor_of_a_round_is_the_functions_that_its_strategy_saw():
    learner, key = build(posterior=DROPOUT), jax.random.key(3)
    state, info = jax.jit(lambda key: bal.run(key, learner, DATASET))(key)
    asked, scores = info.selection.indices[-1], info.selection.scores[-1]

    def bald_of(rng_key):
        return bal.acquisition.bald(learner.predictor(rng_key, state)(DATASET.pool_inputs[asked]))

    np.testing.assert_allclose(bald_of(key), scores, rtol=1e-3)
    np.testing.assert_allclose(bald_of(bal.split_keys(key)), scores, rtol=1e-3)
    assert not np.allclose(bald_of(jax.random.key(4)), scores, rtol=1e-2)
    with pytest.raises(ValueError, match="call ask or step first"):
        learner.predictor(key, learner.init(key, DATASET))


def test_no_initial_labels_are_legal():
    state, info = jax.jit(lambda key: bal.run(key, build(num_initial=0), DATASET))(jax.random.key(0))
    assert info.num_labelled.tolist() == [0, 3, 6, 9]
    assert (state.pool.indices < 48).all()


def test_the_evaluated_posterior_may_be_another_one():
    plain = jax.jit(lambda key: bal.run(key, build(), DATASET))(jax.random.key(0))
    other = jax.jit(lambda key: bal.run(key, build(evaluation_posterior=ENSEMBLE), DATASET))(jax.random.key(0))
    assert other[0].pool.indices[:9].tolist() == plain[0].pool.indices[:9].tolist()
    assert not np.allclose(other[1].metrics["nll"], plain[1].metrics["nll"])
    assert plain[0].evaluation == ()
    ensemble = jax.jit(lambda key: bal.run(key, build(posterior=ENSEMBLE, num_samples=3), DATASET))(jax.random.key(0))
    # The first round trains both on the same points, from the same keys.
    np.testing.assert_allclose(other[1].metrics["nll"][0], ensemble[1].metrics["nll"][0], rtol=1e-4)


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
    info = bal.run(jax.random.key(0), build(num_rounds=1), DATASET._replace(test_inputs=None, test_labels=None))[1]
    assert info.metrics == {}


def test_warm_start_and_shrink_and_perturb_continue_from_the_round_before():
    def losses(start):
        learner = build(bal.strategies.random(batch_size=1), DROPOUT, start=start, num_rounds=6)
        return jax.jit(lambda key: bal.run(key, learner, DATASET)[1])(jax.random.key(0)).metrics["nll"]

    restart, warm, mixed = losses(None), losses(bal.warm_start), losses(bal.shrink_and_perturb())
    np.testing.assert_allclose(restart[0], [warm[0], mixed[0]], rtol=1e-5)
    assert warm[-1] < restart[-1] - 0.05
    assert not np.allclose(mixed[1:], restart[1:])


def test_ask_and_tell_with_a_person_as_the_oracle():
    learner = build(num_rounds=3)
    unlabelled = DATASET._replace(pool_labels=None)
    first = jnp.arange(6)
    state = learner.init(jax.random.key(0), unlabelled, initial=(first, DATASET.pool_labels[first]))
    for answered in (6, 9, 11):
        state, info = learner.ask(jax.random.key(0), state, unlabelled)
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
    step = jax.jit(learner.step)
    for _ in range(4):
        state, info = step(jax.random.key(0), state, DATASET)
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
    network = bal.networks.mlp(num_outputs=1, hidden_sizes=(8,), dropout_rate=0.2)
    posterior = bal.posteriors.mc_dropout(network, bal.likelihoods.gaussian(), optax.adam(1e-2), **TRAINING)
    dataset = bal.Dataset(DATASET.pool_inputs, DATASET.pool_inputs[:, 0], None, None)
    with pytest.raises(ValueError, match="expected a strategy for gaussian predictions, got one for categorical"):
        build(posterior=posterior)
    state, info = bal.run(jax.random.key(0), build(bal.strategies.random(batch_size=3), posterior=posterior), dataset)
    assert state.pool.labels.dtype == jnp.float32


def test_inputs_may_be_any_pytree_of_integers_and_floats():
    """Images of bytes beside floats, through the posterior of the latter."""
    flat = MEANS._replace(
        init=lambda key, batch: MEANS.init(key, batch._replace(inputs=join(batch.inputs))),
        fit=lambda key, state, batch, validation=None: MEANS.fit(key, state, batch._replace(inputs=join(batch.inputs))),
        predict=lambda state, draws, inputs: MEANS.predict(state, draws, join(inputs)),
        features={"embedding": lambda state, inputs: MEANS.features["embedding"](state, join(inputs))},
    )

    def join(inputs):
        return inputs["meta"] + 0.001 * inputs["image"].astype(jnp.float32)

    def split(inputs):
        image = (jnp.abs(inputs) * 20).astype(jnp.uint8)
        return {"image": image, "meta": inputs - 0.001 * image.astype(jnp.float32)}

    dataset = DATASET._replace(pool_inputs=split(DATASET.pool_inputs), test_inputs=split(DATASET.test_inputs))
    settings = {"pool_subset_size": 20, "chunk_size": 7, "num_rounds": 2}
    for strategy in (bal.strategies.badge(batch_size=3), bal.strategies.batch_bald(batch_size=3)):
        runs = []
        for posterior, data in ((flat, dataset), (MEANS._replace(features=ONLY), DATASET)):
            learner = build(strategy, posterior, **settings)
            run = jax.jit(lambda key, data, learner=learner: bal.run(key, learner, data)[0].pool.indices)
            runs.append(run(jax.random.key(0), data).tolist())
        assert runs[0] == runs[1]


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

    learner, key = build(bal.Strategy(3, select), pool_subset_size=9), jax.random.key(5)
    state, info = learner.ask(key, learner.init(key, DATASET), DATASET)
    view = learner.view(key, state, DATASET)
    assert view.pool_indices.tolist() == seen[0].pool_indices.tolist()
    assert set(info.selection.indices.tolist()) <= set(view.pool_indices.tolist())
    points = view.take(jnp.arange(view.size))
    np.testing.assert_array_equal(points, DATASET.pool_inputs[view.pool_indices])
    np.testing.assert_allclose(view.predict(points), seen[0].predict(points), rtol=1e-5)
    np.testing.assert_array_equal(view.target_inputs, seen[0].target_inputs)
    # A point that is absent is zero, and its pool index is that of no point.
    assert (view.take(jnp.array([view.size])) == 0).all()


def test_nan_predictions_are_counted_and_never_chosen():
    spoilt = DATASET._replace(pool_inputs=DATASET.pool_inputs.at[jnp.arange(40, 48)].set(jnp.nan))
    learner = build(num_initial=4)
    initial = (jnp.arange(4), DATASET.pool_labels[:4])
    state = learner.init(jax.random.key(0), spoilt, initial=initial)
    _, info = learner.ask(jax.random.key(0), state, spoilt)
    assert int(info.selection.num_invalid) == 8
    assert (info.selection.indices < 40).all()
