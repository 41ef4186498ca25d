"""Real images that ship inside packages: the patches are the image, and no part of it is in both pool and test set."""

from importlib import metadata, util

import numpy as np
import pytest

from bal.datasets import _packaged_images, check_dataset, load
from bal.datasets._packaged_images import _middle, _patches


def has(*packages):
    return all(util.find_spec(name) for name in packages)


needs_stardist = pytest.mark.skipif(not has("stardist", "PIL"), reason="stardist or pillow is not installed")
needs_nilearn = pytest.mark.skipif(not has("nilearn", "nibabel"), reason="nilearn or nibabel is not installed")


def test_patches_lie_side_by_side_and_leave_out_the_rest():
    volume = np.arange(5 * 4 * 7).reshape(5, 4, 7)
    patches = _patches(volume, (2, 4, 3))
    expected = [volume[z : z + 2, :4, x : x + 3] for z in (0, 2) for x in (0, 3)]
    np.testing.assert_array_equal(patches, expected)


def test_the_middle_of_an_image_is_cut():
    image = np.arange(6 * 7).reshape(6, 7)
    np.testing.assert_array_equal(_middle(image, 4), image[1:5, 1:5])


@needs_stardist
def test_nuclei_in_2d_are_the_image_that_ships():
    dataset = load("stardist_nuclei")
    assert dataset.pool_inputs.shape == (192, 32, 32, 1)
    assert dataset.test_labels.shape == (64, 32, 32)
    check_dataset(dataset)
    assert dataset.about.label_names == ("background", "nucleus")
    assert 0 <= dataset.pool_inputs.min() < dataset.pool_inputs.max() <= 1
    whole = lambda patches: np.hstack(patches.reshape(16, 12, 32, 32).transpose(1, 0, 2, 3).reshape(12, 512, 32))
    image, mask = (_packaged_images._stardist(name)[0] for name in ("img2d.tif", "mask2d.tif"))
    np.testing.assert_allclose(whole(dataset.pool_inputs[..., 0]) * 255, image[:, :384], atol=1e-4)
    np.testing.assert_array_equal(whole(dataset.pool_labels), mask[:, :384] > 0)
    # Nuclei are brighter than what is around them, so image and mask belong together.
    for inputs, labels in ((dataset.pool_inputs, dataset.pool_labels), (dataset.test_inputs, dataset.test_labels)):
        assert inputs[labels == 1].mean() > 2 * inputs[labels == 0].mean()
    assert load("stardist_nuclei", image_size=64).pool_inputs.shape == (48, 64, 64, 1)
    with pytest.raises(ValueError, match="image_size of at most 128, got 200"):
        load("stardist_nuclei", image_size=200)


@needs_stardist
def test_nuclei_in_3d_have_labels_of_each_voxel():
    dataset = load("stardist_nuclei_3d", task="segmentation")
    assert dataset.pool_inputs.shape == (18, 8, 16, 16, 1)
    assert dataset.test_labels.shape == (9, 8, 16, 16)
    check_dataset(dataset)
    assert dataset.pool_inputs.max() <= 1
    assert dataset.pool_inputs[dataset.pool_labels == 1].mean() > dataset.pool_inputs[dataset.pool_labels == 0].mean()


@needs_nilearn
def test_brain_slices_have_grey_and_white_matter():
    dataset = load("mni152")
    assert dataset.pool_inputs.shape == (225, 64, 64, 1)
    assert dataset.test_labels.shape == (90, 64, 64)
    check_dataset(dataset)
    assert dataset.about.num_classes == 3
    assert np.bincount(dataset.test_labels.ravel()).min() > 30_000
    # In a T1 image white matter is the brightest.
    means = [dataset.pool_inputs[dataset.pool_labels == c].mean() for c in range(3)]
    assert means == sorted(means)
    pool = {patch.tobytes() for patch in dataset.pool_labels if patch.any()}
    assert not any(patch.tobytes() in pool for patch in dataset.test_labels)
    with pytest.raises(ValueError, match="image_size of at most 192"):
        load("mni152", image_size=193)


@pytest.mark.parametrize("name", ["stardist_nuclei", "stardist_nuclei_3d", "mni152"])
def test_a_missing_package_is_named_with_what_to_install(name, monkeypatch):
    def missing(package):
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(_packaged_images.metadata, "distribution", missing)
    with pytest.raises(ImportError, match=r"ship.* with (stardist|nilearn).*pip install 'bal-jax\[images\]'"):
        load(name)
