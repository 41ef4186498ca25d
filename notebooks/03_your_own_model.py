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
# # Your own model, your own labels
#
# `bal` needs two things from a model: functions that predict, and draws of them. This notebook uses a network from
# **Equinox**, a statistical model from **numpyro**, and labels from a person: `ask` says which points to label, the
# person (here: a function) answers, and `tell` records the answers.

# %%
import warnings
from functools import partial

# numpyro asks for a progress bar of the notebook that nothing here needs.
warnings.filterwarnings("ignore", message="IProgress not found")

import equinox as eqx
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import numpyro
import numpyro.distributions as dist
import optax

import bal

moons = bal.datasets.load("two_moons")
# The pool has no labels: nobody has given any yet.
dataset = bal.datasets.from_arrays(moons.pool_inputs, None, moons.test_inputs, moons.test_labels)
dataset = jax.device_put(dataset)


def person(indices):
    """Who looks at the points and says what they are. Replace it by a form, a laboratory, a colleague."""
    return moons.pool_labels[np.asarray(indices)]


# %% [markdown]
# ## A network from Equinox
#
# `from_equinox` takes a function of a key that makes the module. The module is called with one point, as Equinox
# modules are. Everything that `bal` does with networks now works with it; here, a deep ensemble.


# %%
class Network(eqx.Module):
    layers: list

    def __init__(self, rng_key):
        keys = jax.random.split(rng_key, 3)
        sizes = [(2, 32), (32, 32), (32, 2)]
        self.layers = [eqx.nn.Linear(a, b, key=key) for (a, b), key in zip(sizes, keys, strict=True)]

    def __call__(self, point):
        for layer in self.layers[:-1]:
            point = jax.nn.tanh(layer(point))
        return self.layers[-1](point)


ensemble = bal.posteriors.deep_ensemble(
    bal.networks.from_equinox(Network, num_outputs=2),
    bal.likelihoods.categorical(),
    optax.adamw(1e-2),
    num_members=8,
    num_steps=300,
    minibatch_size=16,
)

# %% [markdown]
# ## A model from numpyro
#
# A numpyro model is a function of inputs and labels with one site that has `obs=labels`. `bal` masks out unlabelled
# points, so the model can ignore them. The example is logistic regression on random bumps, with an unknown scale,
# sampled by NUTS.

# %%
centres = jnp.asarray(np.random.default_rng(0).uniform([-1.5, -1.0], [2.5, 1.5], (20, 2)), jnp.float32)


def bumps(inputs, labels=None):
    squared = ((inputs[:, None] - centres[None]) ** 2).sum(axis=-1)
    scale = numpyro.sample("scale", dist.HalfNormal(5.0))
    weights = numpyro.sample("weights", dist.Normal(0.0, 1.0).expand((20,)).to_event(1))
    logit = scale * jnp.exp(-2 * squared) @ weights
    with numpyro.plate("points", inputs.shape[0]):
        numpyro.sample("label", dist.Categorical(logits=jnp.stack([-logit / 2, logit / 2], axis=-1)), obs=labels)


sampled = bal.posteriors.numpyro_mcmc(
    bumps, bal.likelihoods.categorical(), num_warmup=150, num_draws=50, num_chains=4, max_tree_depth=5
)

# %% [markdown]
# ## Ask and tell
#
# The same loop serves both. The first points are chosen at random and labelled by the person; after that each round
# has three lines:
#
# 1. `ask` fits the model to the labels so far and says which points it would learn most from (as pool indices);
# 2. the person labels them;
# 3. `tell` records the answers.
#
# Hours may pass between `ask` and `tell`: `bal.save` writes `state` to a file, and `bal.load` reads it. Use
# `learner.skip(state, indices)` for points that the person cannot label. To correct a mistake, `tell` the point again.

# %%
NUM_INITIAL, BATCH_SIZE, NUM_ROUNDS = 4, 3, 6


def label_with(posterior, rng_key):
    # Points are drawn with a probability that grows with their BALD score: the best three would be neighbours.
    strategy = bal.strategies.power_bald(batch_size=BATCH_SIZE)
    learner = bal.build(posterior, strategy, num_initial=NUM_INITIAL, num_rounds=NUM_ROUNDS)
    first = jax.random.permutation(rng_key, len(dataset.pool_inputs))[:NUM_INITIAL]
    state = learner.init(rng_key, dataset, initial=(first, jnp.asarray(person(first))))
    ask = jax.jit(learner.ask)
    history = []
    for _ in range(NUM_ROUNDS):
        state, info = ask(rng_key, state, dataset)
        history.append((int(info.num_labelled), float(info.metrics["accuracy"])))
        asked = info.selection.indices
        state = learner.tell(state, asked, jnp.asarray(person(asked)))
    return state, info, history


results = {}
for name, posterior in {"Equinox ensemble": ensemble, "numpyro, NUTS": sampled}.items():
    results[name] = label_with(posterior, jax.random.key(0))
    print(name, " ".join(f"{count}: {accuracy:.2f}" for count, accuracy in results[name][2]))

# %% [markdown]
# The sampler reports whether its chains agree. Above 1.05, or with divergences, raise `num_warmup` or
# `target_acceptance`.

# %%
diagnostics = results["numpyro, NUTS"][1].fit.diagnostics
print({name: round(float(value), 2) for name, value in diagnostics.items()})

# %% [markdown]
# ## Which points were asked for, and why
#
# Numbers are the order of the labels; 1 to 4 are the random ones. The background is the model's epistemic uncertainty
# after its last fit (BALD, in nats: bright is where its draws disagree), and the line is its decision boundary between
# circles and squares; 20 to 22 were labelled after that. The ensemble is uncertain almost only along its boundary, so
# it asks there; the bumps are also uncertain wherever no label is near, so they ask all over the moons.
#
# Both posteriors are functions of arrays, so drawing them is the same code: `sample` gives draws, `predict` the
# log-probabilities of each draw at any points.

# %%
COLOURS = bal.studies.COLOURS  # can be told apart with any colour vision
CLASSES = ((COLOURS["blue"], "o"), (COLOURS["vermillion"], "s"))  # colour and shape of their points
corners = np.linspace(-1.6, 2.6, 85), np.linspace(-1.2, 1.6, 57)
plane = jnp.asarray(np.stack(np.meshgrid(*corners), axis=-1).reshape(-1, 2), jnp.float32)


def look(posterior, state):
    """BALD and the probability of a square, at each place."""
    log_probs = posterior.predict(
        state, posterior.sample(jax.random.key(1), state, None), plane
    )  # [S, points, classes]
    maps = bal.acquisition.bald(log_probs), jnp.exp(log_probs[..., 1]).mean(axis=0)
    return [each.reshape(57, 85) for each in maps]


figure, grid = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained", sharey=True)
for axes, (name, (state, _, history)), posterior in zip(grid, results.items(), (ensemble, sampled), strict=True):
    unknown, squares = jax.device_get(jax.jit(partial(look, posterior))(state.posterior))
    picture = axes.pcolormesh(*corners, unknown, vmin=0, vmax=0.5, shading="auto", rasterized=True)
    axes.contour(*corners, squares, levels=[0.5], colors="white", linewidths=1)
    axes.scatter(*moons.pool_inputs.T, color="0.7", s=3, alpha=0.5)
    bought, given = np.asarray(state.pool.indices), np.asarray(state.pool.labels)
    for label, (colour, marker) in enumerate(CLASSES):
        points = moons.pool_inputs[bought[given == label]]
        axes.scatter(*points.T, color=colour, marker=marker, s=90, edgecolors="white", linewidths=0.6)
    for order, point in enumerate(moons.pool_inputs[bought]):
        axes.annotate(str(order + 1), point, ha="center", va="center", color="white", fontsize=7)
    axes.set_title(f"{name}: accuracy {history[-1][1]:.2f} with {history[-1][0]} labels")
figure.colorbar(picture, ax=grid, label="nats")
plt.show()
