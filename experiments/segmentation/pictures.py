"""One page: images, truth, prediction, both kinds of uncertainty, and how often each region was asked for."""

from functools import partial
from pathlib import Path

import jax
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import ListedColormap

import bal
from bal.acquisition import bald
from bal.information import entropy, log_mean_exp
from bal.regions import Regions, divided
from bal.studies._maps import Maps, plot_maps
from bal.studies._pictures import save_picture
from bal.studies.grid import Unit
from bal.studies.settings import Settings
from bal.studies.tasks import task_of
from experiments.dense import last_model

NUM_IMAGES = 5


def draw_page(settings: Settings, units: list[Unit], path: Path) -> None:
    """The pool images of which the last strategy asked for most regions, as the model of a typical run sees them."""
    dataset, unit, _, pool, predict = last_model(settings, units)
    regions: Regions = dataset.pool_inputs
    asked = _times_asked(pool, regions, np.asarray(dataset.pool_labels).shape[1:])
    most = np.argsort(-asked.sum(axis=(1, 2)), kind="stable")[:NUM_IMAGES]
    images = np.asarray(regions.images)[most]

    @jax.jit
    def describe(images):
        log_probs = predict(images)
        total, epistemic = entropy(log_mean_exp(log_probs)), bald(log_probs)
        return log_mean_exp(log_probs).argmax(axis=-1), epistemic, total - epistemic

    predicted, epistemic, aleatoric = jax.device_get(describe(images))
    truth = _whole(np.asarray(dataset.pool_labels), regions, images.shape[1:3])[most].astype(float)
    num_classes = task_of(dataset).num_outputs
    truth[(truth < 0) | (truth >= num_classes)] = np.nan
    names = dict(enumerate(dataset.about.label_names)) if num_classes <= 4 else {}
    colours = ListedColormap(colormaps["tab10" if num_classes <= 10 else "tab20"].colors[:num_classes])  # type: ignore[attr-defined]
    of_classes = partial(Maps, colours=colours, limits=(-0.5, num_classes - 0.5), names=names)
    columns = {
        "image": Maps(images[..., 0], "gray"),
        "truth": of_classes(truth),
        "prediction": of_classes(predicted),
        "epistemic (BALD, nats)": Maps(epistemic, "magma"),
        "aleatoric (nats)": Maps(aleatoric, "magma"),
        "asked for": Maps(asked[most], "gray_r", (0, 1)),
    }
    count = int(pool.num_labelled)
    title = f"{settings.data.dataset}, {unit.strategy}: {count} regions labelled"
    save_picture(plot_maps(columns, titles=[f"image {number}" for number in most], title=title), path)


def _times_asked(pool: bal.pool.PoolState, regions: Regions, cell: tuple[int, ...]) -> np.ndarray:
    """1 at the positions of the regions that are labelled, [I, H, W]."""
    held = np.asarray(pool.indices)[: int(pool.num_labelled)]
    flags = np.zeros((len(regions.images) * regions.num_regions, *cell))
    flags[held] = 1
    return _whole(flags, regions, tuple(np.asarray(regions.images).shape[1:3]))


def _whole(maps: np.ndarray, regions: Regions, shape: tuple[int, ...]) -> np.ndarray:
    """Put the maps of regions [I * P, h, w] together to those of images [I, H, W]."""
    count = len(regions.images)
    places = divided(np.arange(count * int(np.prod(shape))).reshape(count, *shape), regions.grid)
    whole = np.empty(count * int(np.prod(shape)), maps.dtype)
    whole[places.ravel()] = maps.ravel()
    return whole.reshape(count, *shape)
