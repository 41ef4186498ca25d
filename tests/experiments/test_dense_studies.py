"""Studies of segmentation and depth, at a tiny size: everything is written, from one command."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("filelock", reason="needs the extra 'studies'")

import bal
from bal.studies._maps import Maps, plot_maps
from bal.studies.settings import Settings
from bal.studies.tasks import Task, task_of
from experiments.depth import study as depth
from experiments.segmentation import pictures
from experiments.segmentation import study as segmentation

FILES = ("metrics.parquet", "learning_curves.png", "maps.png")


@pytest.mark.parametrize(
    ("study", "metrics"),
    [
        (segmentation, {"mean_iou", "mean_dice", "ece", "iou_0"}),
        (depth, {"rmse", "abs_rel", "delta_1", "ause", "coverage_90"}),
    ],
    ids=["segmentation", "depth"],
)
def test_a_tiny_study_writes_everything(study, metrics, tmp_path, capsys):
    study.main(replace(study.Study(tiny=True), strategies=study.STRATEGIES[-1:], output=tmp_path))
    for name in FILES:
        assert (tmp_path / name).stat().st_size > 1000
    frame = pd.read_parquet(tmp_path / "metrics.parquet")
    assert metrics <= set(frame["metric"])
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


def test_a_network_of_points_is_refused_for_images_and_the_reverse():
    settings = Settings().with_values(dataset="digit_scenes", network="mlp")
    task = Task(3, classes=True, dense=True)
    with pytest.raises(ValueError, match="--network unet"):
        bal.studies.learners.build_posterior(settings, "mc_dropout", task)
    with pytest.raises(ValueError, match="one label a point"):
        bal.studies.learners.build_posterior(settings.with_values(network="unet"), "mc_dropout", Task(3, classes=True))


def test_a_page_has_a_row_for_each_image_and_a_column_for_each_map():
    values = np.random.default_rng(0).uniform(size=(3, 4, 5))
    values[0, 0, 0] = np.nan
    columns = {"image": Maps(values, "gray"), "classes": Maps(values, limits=(0.0, 1.0), names={0: "a", 1: "b"})}
    figure = plot_maps(columns, titles=["x", "y", "z"], title="maps")
    assert len(figure.axes) == 3 * 2 + 2
    assert [ax.get_title() for ax in figure.axes[:2]] == ["image", "classes"]
