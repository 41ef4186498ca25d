"""Dense sets of TFDS, on tiny sets that the real builders prepare from given images without a download."""

import io
import sys

import numpy as np
import pytest

pytest.importorskip("tensorflow_datasets", reason="tensorflow_datasets is not installed")
pytest.importorskip("PIL", reason="pillow is not installed")

from bal.datasets import check_dataset, load

pytestmark = pytest.mark.filterwarnings("default")

VOC_BOXES = np.array([[0.0, 0.25, 0.5, 1.0], [0.25, 0.0, 0.75, 0.5], [0.0, 0.0, 1.0, 1.0]])


def png(array):
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG")
    file.seek(0)
    return file


@pytest.fixture
def prepare(tmp_path, monkeypatch):
    """Prepare a set of the catalogue, with its own features, from rows that a function of their index makes."""
    import tensorflow_datasets as tfds

    def prepare(name, row, splits):
        builder = tfds.builder(name, data_dir=tmp_path)
        rows = {split: ((index, row(index)) for index in range(num)) for split, num in splits.items()}
        monkeypatch.setattr(type(builder), "_split_generators", lambda self, manager: rows)
        builder.download_and_prepare(file_format="array_record")
        return {"data_dir": tmp_path, "download": False}

    return prepare


def halves(height, width, index):
    """An image whose left half is black and whose right half has a grey level that tells its index."""
    image = np.zeros((height, width, 3), np.uint8)
    image[:, width // 2 :] = 51 * (index + 1)
    return png(image)


def levels(images):
    return np.sort(images[:, 0, -1, 0]).tolist()


def test_pets_are_resized_and_their_border_is_void(prepare):
    def row(index):
        mask = np.full((20 + index, 40), 2, np.uint8)
        mask[:, 20:] = 1
        mask[:, 16:24] = 3
        return {
            "image": halves(20 + index, 40, index),
            "label": index,
            "species": 0,
            "file_name": "pet",
            "segmentation_mask": png(mask),
            "head_bbox": np.array([0.0, 0.0, 1.0, 1.0]),
        }

    where = prepare("oxford_iiit_pet", row, {"train": 3, "test": 2})
    dataset = load("oxford_iiit_pet", task="segmentation", image_size=10, **where)
    assert dataset.pool_inputs.shape == (3, 10, 10, 3)
    np.testing.assert_allclose(levels(dataset.pool_inputs), [0.2, 0.4, 0.6], rtol=1e-6)
    line = [0, 0, 0, 0, 255, 255, 1, 1, 1, 1]
    np.testing.assert_array_equal(dataset.pool_labels, np.broadcast_to(line, (3, 10, 10)))
    assert dataset.test_labels.shape == (2, 10, 10)
    assert dataset.about.label_names == ("background", "pet")
    check_dataset(dataset, void=255)
    assert load("oxford_iiit_pet", task="segmentation", **where).pool_inputs.shape == (3, 64, 64, 3)


def test_voc_has_boxes_in_pixels_and_room_for_the_most_objects(prepare):
    def row(index):
        objects = [
            {
                "label": 3 + place,
                "bbox": box,
                "pose": 0,
                "is_truncated": False,
                # The second object of each image is not counted.
                "is_difficult": place == 1,
            }
            for place, box in enumerate(VOC_BOXES[:index])
        ]
        return {
            "image": halves(30, 20 + index, index),
            "image/filename": "photograph.jpg",
            "objects": objects,
            "labels": [],
            "labels_no_difficult": [],
        }

    where = prepare("voc", row, {"train": 4, "validation": 1, "test": 2})
    dataset = load("voc", image_size=16, **where)
    assert dataset.pool_inputs.shape == (4, 16, 16, 3)
    order = np.argsort(dataset.pool_inputs[:, 0, -1, 0])
    boxes, classes, present = (dataset.pool_labels[name][order] for name in ("boxes", "classes", "present"))
    assert present.tolist() == [[False, False], [True, False], [True, False], [True, True]]
    assert present.dtype == bool
    np.testing.assert_array_equal(boxes[3], [[0, 4, 8, 16], [0, 0, 16, 16]])
    assert classes.tolist() == [[0, 0], [3, 0], [3, 0], [3, 5]]
    assert not boxes[~present].any()
    assert dataset.test_labels["boxes"].shape == (2, 2, 4)
    assert dataset.about.num_classes == 20
    assert dataset.about.label_names[3] == "boat"
    check_dataset(dataset)


def test_depth_of_rooms_is_standardised_and_invalid_where_it_is_zero(prepare):
    def row(index):
        depth = np.full((480, 640), 1.0 + index, np.float16)
        depth[:, :320] = 0
        return {"image": halves(480, 640, index), "depth": depth}

    where = prepare("nyu_depth_v2", row, {"train": 3, "validation": 2})
    dataset = load("nyu_depth_v2", task="depth", image_size=8, **where)
    assert dataset.pool_inputs.shape == (3, 8, 8, 3)
    assert np.isnan(dataset.pool_labels[:, :, :4]).all()
    metres = dataset.pool_labels[:, :, 4:] * dataset.about.label_scale + dataset.about.label_shift
    np.testing.assert_allclose(np.sort(metres[:, 0, 0]), [1, 2, 3], rtol=1e-6)
    np.testing.assert_allclose(metres - metres[:, :1, :1], 0, atol=1e-6)
    # Image and depth belong together.
    assert np.argsort(metres[:, 0, 0]).tolist() == np.argsort(dataset.pool_inputs[:, 0, -1, 0]).tolist()
    assert dataset.about.label_shift == pytest.approx(2)
    check_dataset(dataset, void=np.nan)
    assert "tensorflow" not in sys.modules


@pytest.mark.parametrize(("name", "task"), [("oxford_iiit_pet", "segmentation"), ("voc", None), ("nyu_depth_v2", None)])
def test_a_dense_set_that_is_not_prepared_is_named_with_its_folder(name, task, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{name!r} is not prepared in {tmp_path}"):
        load(name, task=task, data_dir=tmp_path, download=False)
