"""Real images with masks that ship inside packages, cut into patches. Only the files are read: nothing is imported."""

import dataclasses
from importlib import metadata
from pathlib import Path

import numpy as np
from jaxtyping import Float, Integer, Shaped

from bal.datasets._arrays import from_arrays
from bal.types import Dataset
from bal.validation import check_count

SLICES = range(22, 162, 4)  # axial slices of the MNI152 brain, 1 mm each, from the lower to the upper end of the cortex
SLAB = 5  # successive slices that are in the same part of the data set
CUBE = (8, 16, 16)  # voxels of a patch of the 3-D nuclei


def stardist_nuclei(image_size: int = 32) -> Dataset:
    """Segmentation: fluorescent nuclei in patches of one real image of 512 x 512: 192 in the pool, 64 in the test set.

    The labels [n, H, W] are 0 (background) and 1 (nucleus). The test set is the right quarter of the image.

    Args:
      image_size: rows and columns of a patch, at most 128.

    Raises:
      ImportError: stardist, which ships the image, or pillow is not installed.
      ValueError: an invalid size.

    References:
      Schmidt et al. 2018, Cell detection with star-convex polygons, arXiv:1806.03535
    """
    check_count("image_size", image_size)
    image, mask = _stardist("img2d.tif")[0], _stardist("mask2d.tif")[0]
    if image_size > image.shape[1] // 4:
        raise ValueError(
            f"expected image_size of at most {image.shape[1] // 4}, got {image_size}: test patches are cut "
            "from a quarter of the image"
        )
    return _nuclei(image / 255, mask, (image_size, image_size), 3 * image.shape[1] // 4)


def stardist_nuclei_3d() -> Dataset:
    """Segmentation in 3-D: nuclei in patches of 8 x 16 x 16 voxels of one volume: 18 in the pool, 9 in the test set.

    The labels [n, 8, 16, 16] are 0 (background) and 1 (nucleus). The test set is the right third of the volume.

    Raises:
      ImportError: stardist, which ships the volume, or pillow is not installed.

    References:
      Weigert et al. 2020, Star-convex polyhedra for 3D object detection and segmentation in microscopy,
      arXiv:1908.03636
    """
    image = _stardist("img3d.tif") / 400  # the brightest voxel has 375 counts
    return _nuclei(image, _stardist("mask3d.tif"), CUBE, 2 * CUBE[-1])


def mni152(image_size: int = 64) -> Dataset:
    """Segmentation: grey and white matter in patches of MR slices of the mean of 152 brains: 225 pool, 90 test.

    The labels [n, H, W] are 0 (neither), 1 (grey) and 2 (white matter), whichever is the more probable, if it has a
    probability of one half. Slices are 4 mm apart, and slabs of 20 mm are in the pool or in the test set as a whole.

    Args:
      image_size: rows and columns of a patch, at most 192; the slices' middle of 192 x 192 is cut.

    Raises:
      ImportError: nilearn, which ships the brain, is not installed.
      ValueError: an invalid size.

    References:
      Fonov et al. 2009, Unbiased nonlinear average age-appropriate brain templates, NeuroImage 47
    """
    check_count("image_size", image_size)
    if image_size > 192:
        raise ValueError(f"expected image_size of at most 192, the part of a slice that is cut, got {image_size}")
    image, grey, white = (_brain(kind) for kind in ("t1", "gm", "wm"))
    labels = np.where(np.maximum(grey, white) < 0.5, 0, np.where(white > grey, 2, 1))
    is_test = np.arange(len(SLICES)) // SLAB % 3 == 1
    parts = []
    for in_part in (~is_test, is_test):
        for volume in (image, labels):
            slices = np.stack([np.rot90(volume[..., z]) for z, chosen in zip(SLICES, in_part, strict=True) if chosen])
            parts.append(np.concatenate([_patches(_middle(one, 192), (image_size, image_size)) for one in slices]))
    return _segmentation(parts, ("neither", "grey matter", "white matter"))


def _nuclei(
    image: Float[np.ndarray, "*space"], mask: Integer[np.ndarray, "*space"], size: tuple[int, ...], first_test: int
) -> Dataset:
    """Patches of an image of nuclei; columns from ``first_test`` are the test set."""
    columns = (slice(None, first_test), slice(first_test, None))
    parts = [_patches(array[..., part], size) for part in columns for array in (image, (mask > 0).astype(np.int32))]
    return _segmentation(parts, ("background", "nucleus"))


def _segmentation(parts: list[np.ndarray], names: tuple[str, ...]) -> Dataset:
    """A data set from pool inputs and labels, test inputs and labels; the inputs get an axis of one channel."""
    pool_inputs, pool_labels, test_inputs, test_labels = parts
    dataset = from_arrays(
        pool_inputs[..., None], pool_labels, test_inputs[..., None], test_labels, num_classes=len(names)
    )
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=names))


def _patches(array: Shaped[np.ndarray, "*space"], size: tuple[int, ...]) -> Shaped[np.ndarray, "n *size"]:
    """Patches side by side; what is left over at the end of an axis is left out."""
    counts = [length // width for length, width in zip(array.shape, size, strict=True)]
    array = array[tuple(slice(count * width) for count, width in zip(counts, size, strict=True))]
    array = array.reshape([part for pair in zip(counts, size, strict=True) for part in pair])
    order = [*range(0, array.ndim, 2), *range(1, array.ndim, 2)]
    return array.transpose(order).reshape(-1, *size)


def _middle(image: Shaped[np.ndarray, "h w"], size: int) -> Shaped[np.ndarray, "{size} {size}"]:
    top, left = ((length - size) // 2 for length in image.shape)
    return image[top : top + size, left : left + size]


def _stardist(name: str) -> Integer[np.ndarray, "d h w"]:
    """The slices of a TIFF file that stardist ships."""
    try:
        from PIL import Image, ImageSequence

        path = _file_of("stardist", f"data/images/{name}")
    except ImportError as error:
        raise ImportError(
            "the images of nuclei ship with stardist, and pillow reads them: pip install 'bal-jax[images]'"
        ) from error
    with Image.open(path) as pages:
        return np.stack([np.array(page) for page in ImageSequence.Iterator(pages)]).astype(np.int32)


def _brain(kind: str) -> Float[np.ndarray, "x y z"]:
    """A volume that nilearn ships, in [0, 1]: the image "t1", or the probability of grey or white matter."""
    try:
        import nibabel

        path = _file_of("nilearn", f"datasets/data/mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz")
    except ImportError as error:
        raise ImportError(
            "data set 'mni152' ships with nilearn, and nibabel reads it: pip install 'bal-jax[images]'"
        ) from error
    return np.asarray(nibabel.load(path).dataobj, np.float32) / 255


def _file_of(package: str, name: str) -> Path:
    """A file of an installed package, which is not imported: that would load all that it needs.

    Raises:
      ImportError: the package is not installed.
    """
    return Path(str(metadata.distribution(package).locate_file(f"{package}/{name}")))
