# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Quickstart: a model that chooses what to learn from
#
# You have a pile of handwritten digits without labels, and labels cost money. *Active learning* lets the model choose:
# it is fitted to the few labels available, finds the points where it is uncertain, and asks for exactly those labels.
#
# "Uncertain" has two meanings. A blurred 3 that could be an 8 is uncertain for everyone: no label would settle it.
# A clean but unusual 7 is uncertain only for *this* model: several models that fit the labels so far would disagree
# about it, and one label settles the matter. A **Bayesian** model can tell the two apart, because it holds many
# plausible models (posterior samples) at once. The score that measures the second kind is **BALD**: how much would
# the label tell us about the model, in nats?
#
# This notebook runs that loop five times at once, in one compiled program, and looks at which labels it asked for and
# why.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import bal

dataset = bal.datasets.load("digits")
print("pool:", dataset.pool_inputs.shape, " test:", dataset.test_inputs.shape)

# %% [markdown]
# ## Four choices make a learner
#
# 1. a **network** with dropout,
# 2. a **posterior**: with MC dropout, each random dropout mask is one plausible model,
# 3. a **strategy**: ask for the five images with the highest BALD score in each round,
# 4. the sizes of the run: start from 20 random labels, 16 rounds.

# %%
network = bal.networks.mlp(num_outputs=10, hidden_sizes=(128, 128), dropout_rate=0.5)
posterior = bal.posteriors.mc_dropout(
    network, bal.likelihoods.categorical(), optax.adamw(2e-3), num_steps=200, minibatch_size=32
)
sizes = {"num_samples": 32, "num_initial": 20, "num_rounds": 16}


def run_many(strategy):
    """Five seeds at once: a run is a pure function of a key, so seeds are a vmap."""
    learner = bal.build(posterior, strategy, **sizes)
    run = jax.jit(jax.vmap(lambda key, data: bal.run(key, learner, data), in_axes=(0, None)))
    return run(jax.random.split(jax.random.key(0), 5), dataset)


state, info = run_many(bal.strategies.bald(batch_size=5))
_, random_info = run_many(bal.strategies.random(batch_size=5))

# %% [markdown]
# ## Was it worth it?
#
# The baseline is labelling at random. Both start from the same five initial sets.

# %%
figure, axes = plt.subplots(figsize=(6, 4))
styles = bal.studies.line_styles(("BALD", "random"))
for name, each in (("BALD", info), ("random", random_info)):
    accuracy = np.asarray(each.metrics["accuracy"])  # [seeds, rounds]
    labels = np.asarray(each.num_labelled[0])
    low, high, colour = accuracy.min(axis=0), accuracy.max(axis=0), styles[name]["color"]
    axes.plot(labels, accuracy.mean(axis=0), label=name, **styles[name])
    axes.fill_between(labels, low, high, color=colour, alpha=0.15, linewidth=0)
axes.set(xlabel="labels", ylabel="test accuracy", title="mean and range of five seeds")
axes.grid(alpha=0.3)
axes.legend()

# %% [markdown]
# ## What did it ask for?
#
# The first three rounds of seed 0, with the label of each image and its score (in nats) at the time. A score of 0 would
# mean that all posterior samples agree.


# %%
def show(indices, titles, columns=5):
    rows = -(-len(indices) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(1.5 * columns, 1.8 * rows), squeeze=False)
    for axis in axes.flat:
        axis.axis("off")
    for axis, index, title in zip(axes.flat, indices, titles, strict=False):
        axis.imshow(dataset.pool_inputs[index, ..., 0], cmap="gray_r")
        axis.set_title(title, fontsize=9)
    figure.tight_layout()


asked = np.asarray(info.selection.indices[0, :3]).ravel()
scores = np.asarray(info.selection.scores[0, :3]).ravel()
show(asked, [f"a {dataset.pool_labels[i]}: {s:.2f}" for i, s in zip(asked, scores, strict=True)])

# %% [markdown]
# ## Why these?
#
# We fit the model to the first 20 labels of seed 0 and draw 32 posterior samples. The samples are *functions*: the same
# 32 see every image. On the left is an image on which they agree; on the right is the one with the highest BALD score.
# Each row of a panel is one posterior sample, each column a class.

# %%
first = state.pool.indices[0, :20]
batch = bal.Batch(dataset.pool_inputs[first], dataset.pool_labels[first], jnp.ones(20))
key_init, key_fit, key_sample = jax.random.split(jax.random.key(1), 3)


@jax.jit
def look(batch, inputs):
    """Log-probabilities [32, N, 10] and scores [N]."""
    belief, _ = posterior.fit(key_fit, posterior.init(key_init, batch), batch)
    log_probs = posterior.predict(belief, posterior.sample(key_sample, belief, 32), inputs)
    return log_probs, bal.acquisition.bald(log_probs)


log_probs, bald = jax.device_get(look(batch, dataset.pool_inputs))

figure, axes = plt.subplots(1, 4, figsize=(10, 3), width_ratios=(1, 1.6, 1, 1.6))
for left, right, index, title in (
    (axes[0], axes[1], int(bald.argmin()), "agreement"),
    (axes[2], axes[3], int(bald.argmax()), "disagreement"),
):
    left.imshow(dataset.pool_inputs[index, ..., 0], cmap="gray_r")
    left.set_title(f"a {dataset.pool_labels[index]}, BALD {bald[index]:.2f}")
    left.axis("off")
    right.imshow(np.exp(log_probs[:, index]), cmap="Blues", vmin=0, vmax=1, aspect="auto")
    right.set(xlabel="class", ylabel="posterior sample", title=title, xticks=range(10))
figure.tight_layout()

# %% [markdown]
# ## Where to go from here
#
# * Other strategies: `bal.strategies.STRATEGIES` lists them all by name.
# * Your own labels: `learner.ask` says what to label, `learner.tell` takes the answers, in any order and number.
# * Your own predictions: every score is a plain function of an array, `bal.acquisition.bald(log_probs)`.
# * A study with many strategies and seeds, a table and a picture: `bal compare --help`.
