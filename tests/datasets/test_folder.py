"""Folders of images: what is read, the split of each class, and files that are no images."""

import numpy as np
import pytest

from bal import datasets

Image = pytest.importorskip("PIL.Image", reason="needs the extra 'datasets'")

COLOURS = {"benign": (250, 0, 0), "malignant": (0, 200, 10)}


@pytest.fixture
def folder(tmp_path):
    for name, count in (("malignant", 5), ("benign", 20)):
        (tmp_path / name / "part").mkdir(parents=True)
        for number in range(count):
            shape = (6 + number, 10)  # all of different sides
            image = Image.new("RGB", shape, COLOURS[name])
            image.save(tmp_path / name / "part" / f"{number}.{'png' if number % 2 else 'bmp'}")
    (tmp_path / "benign" / ".DS_Store").write_bytes(b"hidden")
    (tmp_path / "readme.txt").write_text("beside the classes")
    return tmp_path


def test_images_are_bytes_of_one_size_and_classes_are_split_alike(folder):
    dataset = datasets.from_folder(folder, size=8, test=0.2)
    assert dataset.about.label_names == ("benign", "malignant")
    assert dataset.pool_inputs.shape == (20, 8, 8, 3)
    assert dataset.pool_inputs.dtype == np.uint8
    assert np.bincount(dataset.pool_labels).tolist() == [16, 4]
    assert np.bincount(dataset.test_labels).tolist() == [4, 1]
    for inputs, labels in ((dataset.pool_inputs, dataset.pool_labels), (dataset.test_inputs, dataset.test_labels)):
        expected = np.array(list(COLOURS.values()))[labels]
        np.testing.assert_array_equal(inputs, np.broadcast_to(expected[:, None, None], inputs.shape))
    assert datasets.from_folder(folder, size=4, test=None).test_inputs is None


def test_grey_images_become_rgb(folder):
    Image.new("L", (9, 9), 77).save(folder / "benign" / "grey.png")
    whole = datasets.from_folder(folder, size=3, test=None).pool_inputs
    assert (whole == 77).all(axis=(1, 2, 3)).sum() == 1


@pytest.mark.parametrize("content", [b"", b"id,label\n", None])
def test_a_file_that_is_no_image_is_named(folder, content):
    damaged = (folder / "benign" / "part" / "1.png").read_bytes()[:40]
    (folder / "benign" / "part" / "2b.png").write_bytes(damaged if content is None else content)
    with pytest.raises(ValueError, match=r"expected an image that can be read in .*2b\.png"):
        datasets.from_folder(folder, size=8)


def test_folders_that_are_not_classes_are_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.from_folder(tmp_path / "nowhere", size=8)
    with pytest.raises(ValueError, match="at least two classes .* got 1"):
        datasets.from_folder(folder / "benign", size=8)
    (folder / "third").mkdir()
    with pytest.raises(ValueError, match="third, got an empty folder"):
        datasets.from_folder(folder, size=8)
    (folder / "third").rmdir()
    with pytest.raises(ValueError, match="0.05 of 20 images in the folder 'benign'|0.05 of 5 images"):
        datasets.from_folder(folder, size=8, test=0.05)
    with pytest.raises(ValueError, match="size"):
        datasets.from_folder(folder, size=0)
