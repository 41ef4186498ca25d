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
# # One image of each task, and its two kinds of uncertainty
#
# A class, a number, a class for each pixel, a depth for each pixel, boxes: the task changes the *likelihood*, and
# nothing else. A posterior holds several plausible networks, here ten, and what they say splits in two:
#
# * **aleatoric**: each network by itself is unsure. More labels do not help: the digit is blurred, the sensor noisy.
# * **epistemic**: the networks differ. A label here would prove some of them wrong, so this is what to ask for.
#
# The networks below are small and see few labels, so that the notebook runs in a minute. Depth and boxes would need
# more of both.

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax

import bal
from bal import acquisition, likelihoods, networks, posteriors

NUM_SAMPLES = 10
COLOURS = bal.studies.COLOURS  # can be told apart with any colour vision


def dropout(network, likelihood, *, num_steps, learning_rate):
    """Each random dropout mask is one network."""
    settings = {"num_steps": num_steps, "minibatch_size": 8}
    return posteriors.mc_dropout(network, likelihood, optax.adamw(learning_rate), **settings)


def learn(posterior, dataset, num_labels):
    """Fit to the first labels of the pool; returns a function from inputs to the predictions of ten networks."""
    first = jax.tree.map(lambda leaf: jnp.asarray(leaf[:num_labels]), (dataset.pool_inputs, dataset.pool_labels))
    batch = bal.Batch(*first, jnp.ones(num_labels))

    @jax.jit
    def predict(inputs):
        key_init, key_fit, key_sample = jax.random.split(jax.random.key(0), 3)
        state, _ = posterior.fit(key_fit, posterior.init(key_init, batch), batch)
        return posterior.predict(state, posterior.sample(key_sample, state, NUM_SAMPLES), inputs)

    return predict


def show(panels, title):
    """Maps side by side, each with its own scale."""
    figure, axes = plt.subplots(1, len(panels), figsize=(2.6 * len(panels), 2.9), layout="constrained")
    for ax, (name, (values, colours)) in zip(axes, panels.items(), strict=True):
        picture = ax.imshow(values, cmap=colours)
        ax.set(xticks=[], yticks=[], title=name)
        figure.colorbar(picture, ax=ax, location="bottom", shrink=0.9)
    figure.suptitle(title)
    return axes


# %% [markdown]
# ## A class: `categorical()`
#
# Entropy of the mean prediction is the total. Its epistemic part is **BALD**. We look at the test digit of which the
# networks, after 40 labels, disagree most.

# %%
digits = bal.datasets.load("digits")
network = networks.mlp(num_outputs=10, hidden_sizes=(64, 64), dropout_rate=0.5)
posterior = dropout(network, likelihoods.categorical(), num_steps=300, learning_rate=5e-3)
predict = learn(posterior, digits, num_labels=40)
log_probs = predict(digits.test_inputs)  # [samples, images, classes]
epistemic, total = acquisition.bald(log_probs), acquisition.max_entropy(log_probs)
most = int(epistemic.argmax())

figure, axes = plt.subplots(1, 2, figsize=(7, 2.9), width_ratios=(1, 2), layout="constrained")
axes[0].imshow(digits.test_inputs[most, ..., 0], cmap="gray_r")
axes[0].set(xticks=[], yticks=[], title=f"a {digits.test_labels[most]}")
axes[1].imshow(np.exp(log_probs[:, most]), cmap="Blues", vmin=0, vmax=1, aspect="auto")
axes[1].set(xlabel="class", ylabel="network", xticks=range(10), yticks=[])
axes[1].set_title(f"epistemic {epistemic[most]:.2f}, aleatoric {total[most] - epistemic[most]:.2f} nats")

# %% [markdown]
# ## A number: `heteroscedastic_gaussian()`
#
# The network has two outputs, the mean and the noise. The variance of the mean over the networks is epistemic, the mean
# of the noise aleatoric. The labels are 30 points of a sine, none of them in the right half. The networks are an
# ensemble here: networks that were trained one by one differ where labels are missing; dropout masks hardly do.

# %%
wave = bal.datasets.load("wave")
left = np.flatnonzero(wave.pool_inputs[:, 0] < 0.4)[:30]
few = wave._replace(pool_inputs=wave.pool_inputs[left], pool_labels=wave.pool_labels[left])
network = networks.mlp(num_outputs=2, hidden_sizes=(64, 64))
posterior = posteriors.deep_ensemble(
    network, likelihoods.heteroscedastic_gaussian(), optax.adamw(5e-3), num_members=10, num_steps=500, minibatch_size=8
)
line = np.linspace(-1.7, 1.7, 200, dtype=np.float32)[:, None]
predicted = learn(posterior, few, num_labels=30)(line)
mean = predicted.mean.mean(axis=0)
epistemic = acquisition.epistemic_variance(predicted)
total = epistemic + predicted.variance.mean(axis=0)

figure, ax = plt.subplots(figsize=(7, 2.9), layout="constrained")
for variance, name, alpha in ((total, "and aleatoric", 0.2), (epistemic, "epistemic", 0.4)):
    low, high = mean - 2 * variance**0.5, mean + 2 * variance**0.5
    ax.fill_between(line[:, 0], low, high, color=COLOURS["blue"], alpha=alpha, linewidth=0, label=name)
ax.plot(line[:, 0], mean, color=COLOURS["blue"])
ax.plot(few.pool_inputs[:, 0], few.pool_labels, "o", color=COLOURS["vermillion"], markersize=4, label="labels")
ax.set(title="two standard deviations", xlabel="input", ylabel="label", ylim=(-4, 4))
ax.legend(loc="lower right")

# %% [markdown]
# ## A class for each pixel: `dense(categorical())`
#
# Scenes of real digits before a textured plane. The same scores take maps, and give maps: the outlines of the digits
# are aleatoric; what the networks have not learned yet is epistemic.


# %%
def scenes(task):
    """Scenes of 32 x 32 pixels with mean 0 and variance 1."""
    return bal.datasets.normalised(bal.datasets.load("digit_scenes", task=task, image_size=32))


foreground = scenes("foreground")
network = networks.unet(num_outputs=2, widths=(8, 16), dropout_rate=0.2)
likelihood = likelihoods.dense(likelihoods.categorical())
predict = learn(dropout(network, likelihood, num_steps=200, learning_rate=3e-3), foreground, num_labels=60)
image = foreground.test_inputs[3:4]
log_probs = predict(image)  # [samples, images, height, width, classes]
epistemic, total = acquisition.bald(log_probs)[0], acquisition.max_entropy(log_probs)[0]
panels = {
    "image": (image[0, ..., 0], "gray"),
    "truth": (foreground.test_labels[3], "Blues"),
    "p(digit)": (jnp.exp(log_probs[..., 1]).mean(axis=0)[0], "Blues"),
    "epistemic (nats)": (epistemic, "magma"),
    "aleatoric (nats)": (total - epistemic, "magma"),
}
axes = show(panels, "segmentation, 60 labelled images")

# %% [markdown]
# ## A depth for each pixel: `depth()`
#
# Mean and noise at each pixel; pixels that a stereo camera cannot measure have no label (white) and count nowhere.

# %%
depth = scenes("depth")
unit, shift = depth.about.label_scale, depth.about.label_shift  # metres; labels are standardised
network = networks.unet(num_outputs=2, widths=(8, 16), dropout_rate=0.1)
likelihood = likelihoods.depth(unit=unit, shift=shift)
predict = learn(dropout(network, likelihood, num_steps=250, learning_rate=3e-3), depth, num_labels=100)
image = depth.test_inputs[3:4]
predicted = predict(image)  # mean and variance, [samples, images, height, width]
panels = {
    "image": (image[0, ..., 0], "gray"),
    "truth (m)": (unit * depth.test_labels[3] + shift, "viridis"),
    "prediction (m)": (unit * predicted.mean.mean(axis=0)[0] + shift, "viridis"),
    "epistemic (m)": (unit * acquisition.epistemic_variance(predicted)[0] ** 0.5, "magma"),
    "aleatoric (m)": (unit * predicted.variance.mean(axis=0)[0] ** 0.5, "magma"),
}
axes = show(panels, "depth, 100 labelled images (standard deviations)")

# %% [markdown]
# ## Boxes: `boxes()`
#
# The detector predicts, in each cell of 4 x 4 pixels, which digit has its centre there, and its box. Uncertainty about
# the class is that of "a 0 or a 7 or nothing" in a cell.

# %%
all_boxes = scenes("detection")
network = networks.center_net(num_classes=10, widths=(16, 32), dropout_rate=0.2)
likelihood = likelihoods.boxes(stride=4)
predict = learn(dropout(network, likelihood, num_steps=300, learning_rate=5e-3), all_boxes, num_labels=200)
image, label = jax.tree.map(lambda leaf: leaf[3:4], (all_boxes.test_inputs, all_boxes.test_labels))
maps = predict(image)
epistemic = acquisition.class_information(maps)
panels = {
    "image, true boxes": (image[0, ..., 0], "gray"),
    "p(a digit's centre)": (jax.nn.sigmoid(maps.log_odds).mean(axis=0)[0].max(axis=-1), "Blues"),
    "class, epistemic (nats)": (epistemic[0], "magma"),
    "class, aleatoric (nats)": ((acquisition.class_entropy(maps) - epistemic)[0], "magma"),
    "box, epistemic (of its side)": (acquisition.box_variance(maps)[0] ** 0.5, "magma"),
}
axes = show(panels, "detection, 200 labelled images")
for y0, x0, y1, x1 in label["boxes"][0][label["present"][0]]:
    axes[0].add_patch(plt.Rectangle((x0 - 0.5, y0 - 0.5), x1 - x0, y1 - y0, fill=False, edgecolor=COLOURS["green"]))

# %% [markdown]
# ## Where to go from here
#
# * Maps become one score for each image by `aggregate=`: `bal.strategies.bald(batch_size=5, aggregate="mean")`.
# * Regions instead of images: `bal.datasets.by_region`, `bal.networks.on_regions`.
# * Whole comparisons with curves and pages of maps: `python -m experiments.segmentation`, `.depth`, `.detection`.
