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
# # Seeing uncertainty
#
# Points in a plane are easy to draw. This notebook fits a Bayesian model to a handful of labels of the *two moons*, two
# interleaved half circles, and draws what every part of the library sees: two kinds of uncertainty, every score as a
# map, the points that every batch rule asks for, and a point that was not chosen from a pool but designed by gradient
# ascent.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import bal

dataset = jax.device_put(bal.datasets.load("two_moons"))
pool, labels = dataset.pool_inputs, dataset.pool_labels

# %% [markdown]
# ## A model that holds many opinions
#
# The model is a network with dropout. Each random *mask*, which switches off 40 % of the units, gives a different
# network: a posterior sample. All were trained on the same eight labels, so they agree near these; elsewhere they need
# not. (The inputs are a hundred fixed random waves on the plane, which make a small network a smooth, flexible
# function.)
#
# `bal.build` combines the posterior and a strategy, and `ask` does one round: it fits, and says which points to label.

# %%
key_directions, key_phases = jax.random.split(jax.random.key(11))
directions = jax.random.normal(key_directions, (2, 100))
phases = jax.random.uniform(key_phases, (100,), maxval=2 * jnp.pi)


def waves(positions):
    return jnp.sqrt(2.0) * jnp.cos(positions @ directions + phases)


network = bal.networks.mlp(num_outputs=2, hidden_sizes=(128, 128), dropout_rate=0.4)
posterior = bal.posteriors.mc_dropout(
    network, bal.likelihoods.categorical(), optax.adamw(5e-3), num_steps=200, minibatch_size=8
)
dataset = dataset._replace(pool_inputs=waves(pool), test_inputs=None, test_labels=None)
labelled = jax.random.permutation(jax.random.split(jax.random.key(3), 5)[0], len(pool))[:8]
key = jax.random.key(0)


def first_round(strategy):
    """Fit to the eight labels and ask for eight more; the same networks whatever the strategy."""
    learner = bal.build(posterior, strategy, num_samples=100, num_initial=8, num_rounds=1)
    start = learner.init(key, dataset, initial=(labelled, labels[labelled]))
    return jax.jit(learner.ask)(key, start, dataset)


state, _ = first_round(bal.strategies.random(batch_size=8))
samples = posterior.sample(jax.random.key(1), state.posterior, 100)


@jax.jit
def predict(inputs):
    """Log-probabilities [100 samples, points, 2 classes] at places in the plane."""
    return posterior.predict(state.posterior, samples, waves(inputs))


x, y = np.meshgrid(np.linspace(-1.6, 2.6, 100), np.linspace(-1.2, 1.7, 80))
plane = jnp.stack([x.ravel(), y.ravel()], axis=-1)
log_probs = predict(plane)


COLOURS = bal.studies.COLOURS  # can be told apart with any colour vision
CLASSES = ((COLOURS["blue"], "o"), (COLOURS["vermillion"], "s"))  # colour and shape of their points


def draw(axes, values, title, **settings):
    """Values as colours, the pool as small points, labelled points in the colour and shape of their class."""
    settings = {"levels": 14, "cmap": "Greys"} | settings
    picture = axes.contourf(x, y, np.asarray(values).reshape(x.shape), **settings)
    axes.scatter(*pool.T, s=2, color=COLOURS["green"], alpha=0.5, linewidths=0)
    for label, (colour, marker) in enumerate(CLASSES):
        points = pool[labelled[labels[labelled] == label]]
        axes.scatter(*points.T, s=60, color=colour, marker=marker, edgecolors="white", zorder=2)
    axes.set_title(title)
    axes.set_axis_off()
    return picture


figure, panels = plt.subplots(1, 4, figsize=(14, 2.8), layout="constrained")
for sample, axes in enumerate(panels[:3]):
    shades = {"levels": np.linspace(0, 1, 21), "cmap": "RdBu_r", "alpha": 0.7}
    draw(axes, jnp.exp(log_probs[sample, :, 1]), f"network {sample + 1}", **shades)
picture = draw(panels[3], jnp.exp(log_probs[..., 1]).mean(axis=0), "mean of all hundred", **shades)
figure.colorbar(picture, ax=panels, label="probability of the squares", ticks=[0, 0.5, 1])

# %% [markdown]
# ## Two kinds of uncertainty
#
# The *entropy* of the mean prediction is the total uncertainty about a label. It has two parts:
#
# * **aleatoric**: the mean uncertainty of each network by itself. The classes overlap here; more labels do not reduce
#   it.
# * **epistemic**: the rest, the disagreement between the networks. A label here would prove some of them wrong. This
#   part is the score **BALD**.
#
# $$\underbrace{H\big[E_\theta\, p(y \mid x, \theta)\big]}_\text{total} =
# \underbrace{E_\theta\, H\big[p(y \mid x, \theta)\big]}_\text{aleatoric} +
# \underbrace{I(y; \theta \mid x)}_\text{epistemic}$$
#
# All are in nats: 0.69 nats are one bit, the answer to a fair yes-or-no question.

# %%
total = bal.acquisition.max_entropy(log_probs)
epistemic = bal.acquisition.bald(log_probs)
figure, panels = plt.subplots(1, 3, figsize=(12, 2.8), layout="constrained")
shades = {"levels": np.linspace(0, np.log(2), 15)}
draw(panels[0], total, "total", **shades)
draw(panels[1], total - epistemic, "aleatoric: each network is unsure", **shades)
picture = draw(panels[2], epistemic, "epistemic: the networks disagree", **shades)
figure.colorbar(picture, ax=panels, label="nats", format="%.1f")

# %% [markdown]
# ## Every score, as a map
#
# A score is a plain function from predictions `[samples, points, classes]` to one number a point. Dark is where it
# would ask next; each map has its own scale. Two of them also use *targets*, the points where predictions will be
# needed: here those on the right, marked by crosses. They ignore the left.

# %%
targets = pool[pool[:, 0] > 1.2][:30]
of_targets = "epig", "expected_error_reduction"


@jax.jit
def every_score(log_probs, at_targets):
    plain = [score(log_probs) for score in bal.acquisition.SCORES.values()]
    return plain + [getattr(bal.acquisition, name)(log_probs, at_targets) for name in of_targets]


maps = dict(zip((*bal.acquisition.SCORES, *of_targets), every_score(log_probs, predict(targets)), strict=True))
figure, panels = plt.subplots(2, 5, figsize=(17, 5.2), layout="constrained")
for axes, (name, values) in zip(panels.flat, maps.items(), strict=True):
    draw(axes, values, name)
for axes in panels.flat[-2:]:
    axes.scatter(*targets.T, marker="x", s=14, color="black", linewidths=0.8)

# %% [markdown]
# Entropy, margin and least confidence are dark on the line between the classes wherever it runs. BALD and `mean_std`
# are paler on the far left: each network by itself is unsure there, so they differ less than the entropy suggests.
# EPIG keeps the part of the line that matters for the targets; the error reduction keeps only points whose labels would
# change the class predicted there. (`consensus_kl` is BALD under another name.)
#
# ## The picks of every batch rule
#
# Labels are requested in batches: here eight at once. The eight best points by one score lie next to one another, and
# the answer to the first makes most of the others useless. Batch rules differ in how they avoid that. The numbers show
# the order in which a rule chose.
#
# A strategy is a function of a key and of a *view*: the pool, the known labels, and the model as a function. So the
# same model can be shown to all of them.

# %%
everyone = {name: factory(batch_size=8) for name, factory in bal.strategies.STRATEGIES.items()}
scores = {*maps} - {"bald"}


def can_ask(strategy):
    """Whether it takes classes, and neither a posterior of another kind nor labels that nobody has."""
    takes_classes = strategy.takes is None or "categorical" in strategy.takes
    return takes_classes and set(strategy.needs) <= set(posterior.features) and not strategy.privileged


names = sorted(name for name, strategy in everyone.items() if can_ask(strategy) and name not in scores)


def ask_everyone(rng_key, view):
    """The picks of every strategy, one after the other, as if they were one batch."""
    chosen = [everyone[name].select(rng_key, view) for name in names]
    indices = jnp.concatenate([each.indices for each in chosen])
    return chosen[0]._replace(indices=indices, scores=jnp.concatenate([each.scores for each in chosen]))


asked = first_round(bal.Strategy(8 * len(names), ask_everyone))[1].selection.indices.reshape(len(names), 8)

num_rows = -(-len(names) // 4)
figure, panels = plt.subplots(num_rows, 4, figsize=(14, 2.1 * num_rows), layout="constrained")
for axes in panels.flat:
    axes.set_axis_off()
for axes, name, chosen in zip(panels.flat, names, asked, strict=False):
    draw(axes, epistemic, name)
    for rank, index in enumerate(chosen, 1):
        axes.plot(*pool[index], "o", color="white", markeredgecolor="black", markersize=11, zorder=3)
        axes.text(*pool[index], str(rank), fontsize=8, ha="center", va="center_baseline", zorder=4)

# %% [markdown]
# `bald` asks eight times in one or two places. `power_bald`, `softmax_bald` and `softrank_bald` sample, with higher
# scores more likely. `batch_bald` and `batch_epig` measure the *joint* information of the answers. `k_center`,
# `max_dist`, `lcmd`, `k_means`, `typiclust`, `prob_cover` and `max_det` use embeddings only: they spread over the pool,
# whether the model is certain or not. `badge`, `bait` and `acs_fw` combine both.
#
# ## Designing a query
#
# A query need not come from a pool. If any point can be made and labelled (an experiment, a prompt, a simulation), the
# best one can be *designed*: a score is a differentiable function of the input, all the way through the network,
# because the posterior samples are fixed functions. Here is gradient ascent on BALD from a few starting points. They
# must not be far from the line: where all samples agree, BALD is exactly 0, and so is its gradient.


# %%
def score(place):
    return bal.acquisition.bald(predict(place[None]))[0]


def ascend(place, _):
    gradient = jax.grad(score)(place)
    return place + 0.03 * gradient / (jnp.linalg.norm(gradient) + 1e-6), place


places = jnp.array([[-0.6, -0.2], [0.4, 0.1], [0.9, 0.25], [1.9, 0.1], [1.6, 0.9]])
ends, paths = jax.jit(jax.vmap(lambda place: jax.lax.scan(ascend, place, None, length=40)))(places)
before, after = (np.round(bal.acquisition.bald(predict(each)), 2) for each in (places, ends))
print("BALD before:", before, " after:", after)

figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
picture = draw(axes, epistemic, "queries designed by gradient ascent on BALD")
figure.colorbar(picture, label="nats")
for path, end in zip(paths, ends, strict=True):
    axes.plot(*path.T, color=COLOURS["purple"], linewidth=2)
    axes.plot(*end, "*", color=COLOURS["orange"], markeredgecolor="black", markersize=16, zorder=3)

# %% [markdown]
# ## Where to go from here
#
# * The same comparison on a pool of near copies, with learning curves: `python -m experiments.redundancy`.
# * Every rule is also a plain function of arrays: `bal.selection.batch_bald(key, log_probs, available, ...)`.
