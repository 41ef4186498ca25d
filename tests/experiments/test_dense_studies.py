"""Studies of segmentation, depth and detection, at a tiny size: everything is written, from one command."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import bal
from bal.datasets import _digit_scenes
from bal.studies import checks
from bal.studies._maps import Boxes, Maps, plot_maps
from bal.studies.settings import Settings
from bal.studies.tasks import Task, task_of
from experiments.depth import study as depth
from experiments.detection import data as detected
from experiments.detection import pictures as of_detection
from experiments.detection import rules
from experiments.detection import study as detection
from experiments.segmentation import pictures
from experiments.segmentation import study as segmentation

FILES = ("metrics.parquet", "learning_curves.png", "maps.png")
DRAWN_ONCE = (_digit_scenes._scenes_of_dataset, detected.zeros_and_sevens)


@pytest.fixture(scope="module")
def few_scenes():
    """Data sets of as many scenes as a tiny study may need, drawn once for all studies: thousands take seconds."""
    for kept in DRAWN_ONCE:
        kept.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        for module in (_digit_scenes, detected):
            patch.setattr(module, "NUM_POOL", 24)
            patch.setattr(module, "NUM_TEST", 12)
        yield
    for kept in DRAWN_ONCE:
        kept.cache_clear()


@pytest.mark.parametrize(
    ("study", "metrics"),
    [
        (segmentation, {"mean_iou", "mean_dice", "ece", "iou_0"}),
        (depth, {"rmse", "abs_rel", "delta_1", "ause", "coverage_90"}),
        (detection, {"ap", "ap_50"}),
    ],
    ids=["segmentation", "depth", "detection"],
)
def test_a_tiny_study_writes_everything(study, metrics, few_scenes, tmp_path, capsys):
    study.main(replace(study.Study(tiny=True), strategies=study.STRATEGIES[-1:], output=tmp_path))
    for name in FILES:
        assert (tmp_path / name).stat().st_size > 1000
    frame = pd.read_parquet(tmp_path / "metrics.parquet")
    assert metrics <= set(frame["metric"])
    assert set(frame["strategy"]) == {study.STRATEGIES[-1].rpartition(":")[2]}
    assert len(frame[frame["metric"] == "nll"]) == 2 * 2  # rounds and seeds
    assert "Tables and pictures" in capsys.readouterr().out


def test_regions_are_put_together_again():
    maps = np.arange(2 * 4 * 6).reshape(2, 4, 6)
    regions = bal.regions.Regions(np.zeros((2, 4, 6, 1)), None, (2, 3))
    cells = bal.regions.divided(maps, (2, 3)).reshape(12, 2, 2)
    np.testing.assert_array_equal(pictures._whole(cells, regions, (4, 6)), maps)


def data_set(labels, **about):
    images = np.zeros((*labels.shape, 1), np.float32)
    described = bal.types.Description(**about)
    return bal.Dataset(images, labels, images, labels, about=described)


def test_the_task_follows_from_the_labels():
    classes = np.array([[[0, 2]], [[1, 255]]], np.int32)
    found = task_of(data_set(classes, num_classes=3))
    assert found == Task(3, classes=True, dense=True, void=255.0)
    assert found.likelihood.predicts == "dense categorical"
    assert task_of(data_set(classes[:1])) == Task(3, classes=True, dense=True)
    with pytest.raises(ValueError, match="one value for void"):
        task_of(data_set(np.array([[[0, 7]], [[1, 9]]], np.int32), num_classes=3))
    metres = np.array([[[0.5, np.nan]], [[-0.5, 0.0]]], np.float32)
    of_depth = task_of(data_set(metres, label_scale=2.0, label_shift=5.0))
    assert (of_depth.num_outputs, of_depth.unit, of_depth.shift) == (2, 2.0, 5.0)
    assert task_of(data_set(metres)).shift is None


def test_the_task_of_boxes_has_outputs_for_their_classes_and_for_their_places():
    objects = bal.detection.padded_boxes(
        [np.array([[0, 0, 8, 4]]), np.zeros((0, 4))], [np.array([2]), np.zeros(0, int)], room=2
    )
    # The place of no object may hold any number.
    objects["classes"][1] = 9
    images = np.zeros((2, 16, 16, 1), np.float32)
    boxes = bal.Dataset(images, objects, images, objects)
    assert task_of(boxes) == Task(7, classes=True, boxes=True)
    assert task_of(boxes).num_classes == 3
    assert task_of(boxes._replace(about=bal.types.Description(num_classes=5))).num_outputs == 9
    assert task_of(boxes).likelihood.predicts == "boxes"
    with pytest.raises(ValueError, match="labels of another structure"):
        task_of(boxes._replace(pool_labels={"boxes": objects["boxes"]}))
    with pytest.raises(ValueError, match="got boxes: ask for whole images"):
        bal.datasets.by_region(boxes, grid=(2, 2))


POINTS, MAPS, BOXES = Task(3, classes=True), Task(3, classes=True, dense=True), Task(7, classes=True, boxes=True)


@pytest.mark.parametrize(
    ("task", "change", "message"),
    [
        (MAPS, {"network": "mlp"}, "--network unet, .* for a label at each position, got 'mlp'"),
        (MAPS, {"network": "center_net"}, "--network unet, .* got 'center_net'"),
        (BOXES, {"network": "unet"}, "--network center_net, .* for boxes of objects, got 'unet'"),
        (POINTS, {"network": "unet"}, "one label a point, such as mlp, got 'unet'"),
        (POINTS, {"network": "center_net"}, "one label a point, such as mlp, got 'center_net'"),
        (MAPS, {"network": "unet", "augmentation": "crop_and_flip"}, "--augmentation none .* not their labels"),
        (BOXES, {"network": "center_net", "augmentation": "crop_and_flip"}, "--augmentation none .* not their labels"),
        (BOXES, {"network": "center_net", "posterior": "gaussian_process"}, "a posterior over classes"),
    ],
)
def test_a_network_or_a_posterior_of_another_task_is_refused(task, change, message):
    settings = Settings().with_values(dataset="digit_scenes", **change)
    with pytest.raises(ValueError, match=message):
        bal.studies.learners.build_posterior(settings, settings.model.posterior, task)


def test_scores_of_objects_and_of_positions_have_their_own_sums():
    settings = Settings().with_values(network="center_net", num_rounds=1)
    build = bal.studies.learners.build_learner
    for aggregate in (None, "objectness"):
        assert build(settings.with_values(aggregate=aggregate), "detection_uncertainty", BOXES).num_rounds == 1
    with pytest.raises(ValueError, match="aggregate to be one of"):
        build(settings.with_values(aggregate="foreground"), "detection_uncertainty", BOXES)
    with pytest.raises(ValueError, match="--aggregate to be one of .*'objectness'"):
        checks.check_settings(settings.with_values(aggregate="objectnes"))
    assert {rules.box_max.keywords["of"], rules.class_sum.keywords["of"]} == {"box", "class"}


def test_a_page_has_a_row_for_each_image_and_a_column_for_each_map():
    values = np.random.default_rng(0).uniform(size=(3, 4, 5))
    values[0, 0, 0] = np.nan
    columns = {"image": Maps(values, "gray"), "classes": Maps(values, limits=(0.0, 1.0), names={0: "a", 1: "b"})}
    figure = plot_maps(columns, titles=["x", "y", "z"], title="maps")
    assert len(figure.axes) == 3 * 2 + 2
    assert [ax.get_title() for ax in figure.axes[:2]] == ["image", "classes"]


def test_boxes_are_drawn_around_the_pixels_that_they_hold():
    boxes = [Boxes(np.array([[1, 2, 4, 8]]), ["a"], "lime"), Boxes(np.zeros((0, 4)), [], "lime")]
    figure = plot_maps({"image": Maps(np.zeros((2, 10, 10)), limits=(0.0, 1.0), boxes=boxes)})
    (drawn,) = figure.axes[0].patches
    assert drawn.get_bbox().extents.tolist() == [1.5, 0.5, 7.5, 3.5]
    assert [text.get_text() for text in figure.axes[0].texts] == ["a"]
    assert not figure.axes[1].patches


def test_of_the_classes_of_a_cell_the_most_probable_one_is_drawn():
    boxes = np.array([[[0, 0, 4, 4], [8, 8, 9, 9], [0, 0, 4, 4], [2, 2, 3, 3]]])
    found = bal.types.Detections(boxes, np.array([[1, 0, 0, 1]]), np.array([[0.9, 0.6, 0.5, 0.1]]))
    (page,) = of_detection._predicted_boxes(found, ("a", "b"))
    assert page.corners.tolist() == [[0, 0, 4, 4], [8, 8, 9, 9]]
    assert page.names == ["b: 0.90", "a: 0.60"]
