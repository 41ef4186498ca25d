"""One page: images, depth, prediction, error, both kinds of uncertainty, of what was asked for last."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from bal.acquisition import epistemic_variance
from bal.studies._maps import Maps, plot_maps
from bal.studies._pictures import save_picture
from bal.studies.grid import Unit
from bal.studies.settings import Settings
from experiments.dense import last_model

NUM_IMAGES = 5


def draw_page(settings: Settings, units: list[Unit], path: Path) -> None:
    """The images that the last strategy asked for in the last round, before they were labelled: of a typical run."""
    dataset, unit, row, _, predict = last_model(settings, units)
    asked = np.asarray(unit.info.selection.indices)[-1, row][:NUM_IMAGES]
    images = np.asarray(dataset.pool_inputs)[asked]
    unit_of_labels, shift = dataset.about.label_scale, dataset.about.label_shift

    @jax.jit
    def describe(images):
        predictions = predict(images)
        epistemic, aleatoric = epistemic_variance(predictions), predictions.variance.mean(axis=0)
        return predictions.mean.mean(axis=0), jnp.sqrt(epistemic), jnp.sqrt(aleatoric)

    mean, epistemic, aleatoric = (unit_of_labels * values for values in jax.device_get(describe(images)))
    truth = unit_of_labels * np.asarray(dataset.pool_labels)[asked] + shift
    limits = float(np.nanmin(truth)), float(np.nanmax(truth))
    columns = {
        "image": Maps(images[..., 0], "gray"),
        "depth (m)": Maps(truth, "viridis", limits),
        "prediction (m)": Maps(mean + shift, "viridis", limits),
        "error (m)": Maps(np.abs(mean + shift - truth), "magma"),
        "epistemic (m)": Maps(epistemic, "magma"),
        "aleatoric (m)": Maps(aleatoric, "magma"),
    }
    count = int(np.asarray(unit.info.num_labelled)[-1, row])
    title = f"{unit.strategy}: what it asks for after {count} labels (standard deviations)"
    save_picture(plot_maps(columns, titles=[f"image {number}" for number in asked], title=title), path)
