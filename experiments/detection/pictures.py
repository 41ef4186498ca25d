"""One page: images that were asked for, true and predicted boxes, and where the model is uncertain of what."""

from pathlib import Path

import jax
import numpy as np

from bal.acquisition import box_variance, class_entropy, class_information
from bal.detection import detect, mean_map
from bal.studies._maps import Boxes, Maps, plot_maps
from bal.studies._pictures import save_picture
from bal.studies.grid import Unit
from bal.studies.settings import Settings
from experiments.dense import last_model

NUM_IMAGES, NUM_OBJECTS = 5, 20
SHOWN = 0.3  # boxes of a lower probability are left out


def draw_page(settings: Settings, units: list[Unit], path: Path) -> None:
    """The images that the last strategy asked for in the last round, before they were labelled: of a typical run."""
    dataset, unit, row, _, predict = last_model(settings, units)
    asked = np.asarray(unit.info.selection.indices)[-1, row][:NUM_IMAGES]
    images = np.asarray(dataset.pool_inputs)[asked]

    @jax.jit
    def describe(images):
        maps = predict(images)
        epistemic = class_information(maps)
        found = detect(mean_map(maps), NUM_OBJECTS)
        return found, epistemic, class_entropy(maps) - epistemic, box_variance(maps) ** 0.5

    found, epistemic, aleatoric, of_boxes = jax.device_get(describe(images))
    labels = jax.tree.map(lambda leaf: np.asarray(leaf)[asked], dataset.pool_labels)
    class_names = dataset.about.label_names
    columns = {
        "image, true boxes": Maps(images[..., 0], "gray", boxes=_true_boxes(labels, class_names)),
        f"predicted (above {SHOWN:.0%})": Maps(images[..., 0], "gray", boxes=_predicted_boxes(found, class_names)),
        "class, epistemic (nats)": Maps(epistemic, "magma"),
        "class, aleatoric (nats)": Maps(aleatoric, "magma"),
        "box, epistemic (of its side)": Maps(of_boxes, "magma"),
    }
    count = int(np.asarray(unit.info.num_labelled)[-1, row])
    title = f"{unit.strategy.rpartition(':')[2]}: what it asks for after {count} labels"
    save_picture(plot_maps(columns, titles=[f"image {number}" for number in asked], title=title), path)


def _true_boxes(labels, class_names) -> list[Boxes]:
    return [
        Boxes(boxes[present], [class_names[number] for number in classes[present]], "lime")
        for boxes, classes, present in zip(labels["boxes"], labels["classes"], labels["present"], strict=True)
    ]


def _predicted_boxes(found, class_names) -> list[Boxes]:
    pages = []
    for boxes, classes, scores in zip(*found, strict=True):
        # The best come first. The classes of a cell share its box; the most probable one is shown.
        first = np.sort(np.unique(boxes, axis=0, return_index=True)[1])
        shown = first[scores[first] > SHOWN]
        names = [
            f"{class_names[number]}: {score:.2f}" for number, score in zip(classes[shown], scores[shown], strict=True)
        ]
        pages.append(Boxes(boxes[shown], names, "orange"))
    return pages
