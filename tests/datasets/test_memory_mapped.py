"""Embeddings that some encoder wrote to a file: a run reads them from there."""

import jax
import numpy as np
import optax

import bal


def test_a_memory_mapped_pool_is_not_copied_and_runs_as_one_in_memory(tmp_path):
    rng = np.random.default_rng(0)
    embeddings = rng.normal(size=(60, 4)).astype(np.float16)
    labels = (embeddings[:, 0] > 0).astype(np.int32)
    np.save(tmp_path / "embeddings.npy", embeddings)
    mapped = np.load(tmp_path / "embeddings.npy", mmap_mode="r")
    dataset = bal.datasets.from_arrays(mapped, labels, mapped[:20], labels[:20])
    assert np.shares_memory(dataset.pool_inputs, mapped)
    network = bal.networks.mlp(num_outputs=2, hidden_sizes=(8,))
    posterior = bal.posteriors.point_estimate(
        network, bal.likelihoods.categorical(), optax.adam(0.01), num_steps=5, minibatch_size=4
    )
    strategy = bal.strategies.margin(batch_size=3)
    learner = bal.build(posterior, strategy, num_samples=1, num_initial=4, num_rounds=2)
    run = jax.jit(lambda key, dataset: bal.run(key, learner, dataset)[1].selection.indices)
    asked = run(jax.random.key(0), dataset)
    in_memory = bal.datasets.from_arrays(embeddings, labels, embeddings[:20], labels[:20])
    np.testing.assert_array_equal(asked, run(jax.random.key(0), in_memory))
    assert len(set(np.asarray(asked).ravel().tolist())) == 6
