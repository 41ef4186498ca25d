"""Scenes of real digits for dense tasks: segmentation, detection and depth, in any number."""

import dataclasses
from collections.abc import Sequence
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from bal.datasets._arrays import from_arrays
from bal.datasets._depth import with_depth
from bal.datasets._offline import digits as digits_dataset
from bal.datasets._scene import Glyphs, Scenes, draw_scene
from bal.types import Dataset, PyTree, RngKey
from bal.validation import check_choice, check_count, check_key, check_positive

NUM_CLASSES = 10
NUM_POOL, NUM_TEST = 2000, 500
DIGIT_NAMES = tuple(map(str, range(NUM_CLASSES)))


def digit_scenes(
    rng_key: RngKey,
    num: int,
    *,
    image_size: int = 64,
    mean_objects: float = 4.0,
    max_objects: int = 8,
    class_weights: Sequence[float] | None = None,
    digits: tuple[Float[Array | np.ndarray, "G h w 1"], Int[Array | np.ndarray, " G"]] | None = None,
    batch_size: int = 1,
) -> Scenes:
    r"""Real digits, some partly hidden, before a tilted, textured plane, with exact labels of everything.

    The plane is 1.9 to 5.8 m away, and a digit lies parallel to it, 2 to 26 % nearer to the camera, so it is nearer
    at each of its pixels. A digit of which less than half would be seen is left out. ``measured_depth`` is

    .. math:: \tilde z = z + 0.01\, z^2\, \epsilon, \qquad \epsilon \sim N(0, 1)

    in metres, as a stereo camera measures, and NaN exactly where one of the four neighbours of a pixel belongs to a
    nearer object: there, only one of the two lenses sees the surface.

    Args:
      rng_key: draws the scenes. Scene i depends on the key and on i only, so more scenes extend fewer.
      num: number of scenes, n.
      image_size: rows and columns of an image, at least 32, so that digits can be read.
      mean_objects: of the Poisson number of digits.
      max_objects: at most so many digits are in a scene, M.
      class_weights: relative frequency of each of the ten digits; None: as in ``digits``.
      digits: images in [0, 1] and their classes from 0 to 9; None: the pool of ``load("digits")``.
      batch_size: number of scenes that are drawn at once, which changes them by rounding only: 1 is fastest on a CPU,
        and hundreds on an accelerator.

    Returns:
      Images and labels. ``{"boxes": ..., "classes": ..., "present": ...}`` are those of detection.

    Raises:
      ValueError: an image too small for digits, an invalid number, weights that are not ten, or other digits.

    Example:
      >>> scenes = digit_scenes(jax.random.key(0), 24)
      >>> scenes.image.shape, scenes.boxes.shape
      ((24, 64, 64, 1), (24, 8, 4))
    """
    check_key(rng_key)
    check_count("num", num)
    check_count("image_size", image_size, least=32)
    check_count("max_objects", max_objects)
    check_count("batch_size", batch_size)
    check_positive(mean_objects=mean_objects)
    source = digits_dataset()
    images, classes = (source.pool_inputs, source.pool_labels) if digits is None else digits
    glyphs = _glyphs(images, classes, class_weights)
    sizes = {"num": num, "image_size": image_size, "max_objects": max_objects, "batch_size": min(batch_size, num)}
    return _draw(rng_key, glyphs, jnp.asarray(mean_objects, jnp.float32), **sizes)


def digit_scenes_dataset(task: str = "segmentation", image_size: int = 64) -> Dataset:
    """Scenes of real digits with labels for segmentation, detection or depth: 2,000 in the pool, 500 in the test set.

    See :func:`bal.datasets.digit_scenes`. No digit of a test scene is in the pool. The labels of depth are measured:
    noisy, NaN where they are invalid, and standardised by the pool; ``about`` holds their unit.

    Args:
      task: "segmentation": background and ten digits, labels [n, H, W]. "foreground": background and digit, labels
        [n, H, W], which a small network learns in hundreds of steps. "detection": a dict of ``boxes`` [n, 8, 4],
        ``classes`` [n, 8] and ``present`` [n, 8]. "depth": labels [n, H, W].
      image_size: rows and columns of an image.
    """
    check_choice("task", task, ("segmentation", "foreground", "detection", "depth"))
    arrays: list[PyTree] = []
    for scenes in _scenes_of_dataset(image_size):
        detection = {"boxes": scenes.boxes, "classes": scenes.classes, "present": scenes.present}
        labels = {
            "segmentation": scenes.segmentation,
            "foreground": np.minimum(scenes.segmentation, 1),
            "detection": detection,
            "depth": scenes.measured_depth,
        }
        arrays += [scenes.image, labels[task]]
    if task == "depth":
        return with_depth(*arrays)
    names = {
        "segmentation": ("background", *DIGIT_NAMES),
        "foreground": ("background", "digit"),
        "detection": DIGIT_NAMES,
    }[task]
    dataset = from_arrays(*arrays, num_classes=len(names))
    return dataset._replace(about=dataclasses.replace(dataset.about, label_names=names))


@lru_cache(maxsize=1)
def _scenes_of_dataset(image_size: int) -> list[Scenes]:
    """Of the pool and of the test set. They take seconds to draw, and who loads one task often loads another."""
    source = digits_dataset()
    parts = ((NUM_POOL, source.pool_inputs, source.pool_labels), (NUM_TEST, source.test_inputs, source.test_labels))
    return [
        jax.tree.map(
            np.asarray,
            digit_scenes(
                jax.random.fold_in(jax.random.key(0), index), num, image_size=image_size, digits=tuple(digits)
            ),
        )
        for index, (num, *digits) in enumerate(parts)
    ]


def _glyphs(images: PyTree, classes: PyTree, class_weights: Sequence[float] | None) -> Glyphs:
    images, classes = np.asarray(images), np.asarray(classes)
    if len(classes) != len(images):
        raise ValueError(f"expected one class for each of the {len(images)} digits, got {len(classes)}")
    outside = classes[(classes < 0) | (classes >= NUM_CLASSES)]
    if outside.size:
        raise ValueError(f"expected digits of the classes 0 to {NUM_CLASSES - 1}, got {outside[0]}")
    if not (images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"expected images of digits in [0, 1], got {images.min()} to {images.max()}: scale them")
    counts = np.bincount(classes, minlength=NUM_CLASSES)
    weights = counts if class_weights is None else np.asarray(class_weights, np.float64)
    if weights.shape != (NUM_CLASSES,) or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise ValueError(f"expected {NUM_CLASSES} class_weights of at least 0, got {class_weights}")
    if not ((weights > 0) & (counts > 0)).any() or ((weights > 0) & (counts == 0)).any():
        raise ValueError("expected class_weights above 0 for some classes, all of them among the digits, got others")
    cumulative = np.cumsum((weights / np.maximum(counts, 1))[classes])
    return Glyphs(
        jnp.asarray(images, jnp.float32)[..., 0],
        jnp.asarray(classes, jnp.int32),
        jnp.asarray(cumulative / cumulative[-1], jnp.float32),
    )


@partial(jax.jit, static_argnames=("num", "image_size", "max_objects", "batch_size"))
def _draw(rng_key, glyphs, mean_objects, *, num: int, image_size: int, max_objects: int, batch_size: int) -> Scenes:
    def draw(index):
        key = jax.random.fold_in(rng_key, index)
        return draw_scene(key, glyphs, mean_objects, image_size=image_size, max_objects=max_objects)

    # Whole batches only: a remainder would be compiled apart.
    indices = jnp.arange(num + -num % batch_size).reshape(-1, batch_size)
    scenes = jax.lax.map(jax.vmap(draw), indices)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:num], scenes)
