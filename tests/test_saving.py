"""A state on disk: what is read is what was written, and what does not fit is refused in one sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import bal
from tests.prototypes import class_means, linear_regression
from tests.test_loop import DATASET

KEY = jax.random.key(0)


def learner_of(posterior=None, **settings):
    posterior = class_means() if posterior is None else posterior
    return bal.build(
        posterior,
        bal.strategies.random(batch_size=3),
        **{"num_samples": 4, "num_initial": 6, "num_rounds": 2, **settings},
    )


def assert_same_bits(a, b):
    assert jax.tree.structure(a) == jax.tree.structure(b)
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def test_a_state_comes_back_bit_for_bit_and_the_run_goes_on_as_if_nothing_had_happened(tmp_path):
    network = bal.networks.mlp(num_outputs=3, hidden_sizes=(4,), dropout_rate=0.4)
    training = {"num_steps": 2, "minibatch_size": 4}
    posterior = bal.posteriors.mc_dropout(network, bal.likelihoods.categorical(), optax.adam(1e-2), **training)
    learner = learner_of(posterior)
    step = jax.jit(learner.step)
    state, _ = step(KEY, learner.init(KEY, DATASET), DATASET)
    bal.save(tmp_path / "day1", state)
    again = bal.load(tmp_path / "day1", learner, DATASET)
    assert_same_bits(again, state)
    assert_same_bits(step(KEY, again, DATASET), step(KEY, state, DATASET))
    assert [path.name for path in tmp_path.iterdir()] == ["day1"]


def test_a_state_with_room_for_more_labels_is_read_by_the_learner_that_it_outgrew(tmp_path):
    gp = bal.posteriors.gaussian_process(optax.adam(0.1), num_steps=2)
    dataset = DATASET._replace(pool_labels=DATASET.pool_inputs.sum(axis=1), test_inputs=None, test_labels=None)
    learner = learner_of(gp)
    start, step = jax.jit(learner.init), jax.jit(learner.step)
    state = start(KEY, dataset)
    for _ in range(2):
        state, _ = step(KEY, state, dataset)
    longer = learner.extend(state, 2)
    assert longer.pool.indices.shape == (18,)
    predict = jax.jit(lambda state: learner.predictor(KEY, state)(dataset.pool_inputs[:5]).mean)
    np.testing.assert_allclose(predict(longer), predict(state), rtol=1e-4, atol=1e-5)
    bal.save(tmp_path / "state", longer)
    again = bal.load(tmp_path / "state", learner, dataset)
    assert_same_bits(again, longer)
    after, info = step(KEY, again, dataset)
    assert int(after.pool.num_labelled) == 15
    assert int(info.num_labelled) == 12
    # As a learner that was built for four rounds from the start.
    four = learner_of(gp, num_rounds=4)
    straight, step = jax.jit(four.init)(KEY, dataset), jax.jit(four.step)
    for _ in range(3):
        straight, _ = step(KEY, straight, dataset)
    assert after.pool.indices.tolist() == straight.pool.indices.tolist()


def test_half_precision_and_keys_survive(tmp_path):
    learner = learner_of()
    state = learner.init(KEY, DATASET)
    state = state._replace(posterior={"half": jnp.ones(3, jnp.bfloat16), "key": jax.random.key(3)})
    bal.save(tmp_path / "state", state)
    from bal.loop._saving import _from_numpy, _read

    description, arrays = _read(tmp_path / "state")
    found = {leaf["place"]: _from_numpy(array, leaf) for leaf, array in zip(description["leaves"], arrays, strict=True)}
    assert found[".posterior['half']"].dtype == jnp.bfloat16
    assert jax.random.uniform(found[".posterior['key']"]) == jax.random.uniform(jax.random.key(3))


def test_a_pool_without_labels_is_read_too(tmp_path):
    learner = learner_of(num_initial=2)
    unlabelled = DATASET._replace(pool_labels=None, test_inputs=None, test_labels=None)
    state = learner.init(KEY, unlabelled, initial=(np.array([3, 5]), np.array([0, 1], np.int32)))
    bal.save(str(tmp_path / "state"), state)
    assert_same_bits(bal.load(str(tmp_path / "state"), learner, unlabelled), state)


def test_what_does_not_fit_is_refused(tmp_path):
    learner = learner_of()
    path = tmp_path / "state"
    bal.save(path, learner.init(KEY, DATASET))
    smaller = jax.tree.map(lambda leaf: leaf[:40], DATASET)
    with pytest.raises(ValueError, match=r"another: \.pool\.available is bool \[48\] there, bool \[40\] here"):
        bal.load(path, learner, smaller)
    with pytest.raises(ValueError, match="expected a state for inputs"):
        bal.load(path, learner, DATASET._replace(pool_inputs=DATASET.pool_inputs[:, :2], test_inputs=None))
    with pytest.raises(ValueError, match="room for 12"):
        bal.load(path, learner_of(num_rounds=4), DATASET)
    other = learner_of(linear_regression(closed=False), num_initial=6)
    with pytest.raises(ValueError, match="lacks"):
        bal.load(path, other, DATASET._replace(pool_labels=jnp.zeros(48), test_labels=jnp.zeros(20)))
    with pytest.raises(FileNotFoundError):
        bal.load(tmp_path / "nothing", learner, DATASET)
    for damage in (path.read_bytes()[:-40], b"", b"not a state"):
        (tmp_path / "damaged").write_bytes(damage)
        with pytest.raises(ValueError, match="damaged"):
            bal.load(tmp_path / "damaged", learner, DATASET)
    with pytest.raises(ValueError, match="expected a state from init"):
        bal.save(path, {"pool": 1})


def test_a_write_that_fails_leaves_the_file_of_before(tmp_path, monkeypatch):
    learner = learner_of()
    path = tmp_path / "state"
    state = learner.init(KEY, DATASET)
    bal.save(path, state)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space"):
        bal.save(path, state)
    assert path.read_bytes() == before
    assert [found.name for found in tmp_path.iterdir()] == ["state"]
