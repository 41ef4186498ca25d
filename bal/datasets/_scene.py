"""One scene: digits in front of a tilted, textured plane, seen by a pinhole camera, with exact labels of each pixel.

Image coordinates (v, u) lie in [-1, 1]; a point at depth z that is seen there is at (z v, z u) beside the optical axis.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from bal.types import RngKey

MEAN_DEPTH = (2.7, 3.3)  # of the plane on the optical axis, in metres
MAX_SLOPE = 0.3  # of the plane's inverse depth, relative to the axis, over half the image
CENTRES = 0.7  # digits have their centres at most so far from the middle of the image
SIZES = (1.3, 1.7)  # height and width of a digit's square, in metres
APPARENT_SIZES = (0.4, 0.9)  # and their limits in image coordinates: from a fifth to almost half of the image
NEAREST = 1.36  # depth of the plane / depth of the nearest digit, at most
FARTHEST = 1.02  # and of the farthest digit, at least: neighbouring layers are half a layer apart or more
MIN_VISIBLE = 0.5  # a digit of which less would be seen is left out
NUM_WAVES = 6  # in the texture
FREQUENCIES = (0.2, 1.2)  # of its waves, in a metre of the plane
TEXTURE_LEVEL = (0.4, 0.6)  # mean brightness of the texture
CONTRAST = 0.4  # height of the waves' sum at its most
DARKNESS = 0.2  # dark digits have a brightness of 0 to this, and light ones of 1 less as much
GLYPH_SIZE = 40  # rows and columns to which digits are enlarged before they are drawn
INK_LEVEL = 0.45  # ink above this level belongs to the digit
EDGE = 3.0  # slope of the opacity there: about one pixel is partly covered at the usual sizes
PIXEL_NOISE = 0.03  # standard deviation of the image's noise
DEPTH_NOISE = 0.01  # standard deviation of measured depth at 1 m, in metres; it grows with the square of the depth


class Scenes(NamedTuple):
    """Images with exact labels of everything. Objects are ordered from near to far, and padding comes last."""

    image: Float[Array, "n H W 1"]  # in [0, 1]
    segmentation: Int[Array, "n H W"]  # 0 background, 1 + the class of the digit that is seen at a pixel
    instances: Int[Array, "n H W"]  # 0 background, 1 + the row of that object in the arrays below
    boxes: Float[Array, "n M 4"]  # (y0, x0, y1, x1) in pixels, half-open, tight around what is seen of it; 0 in padding
    classes: Int[Array, "n M"]  # 0 in padding
    present: Bool[Array, "n M"]  # False: padding
    depth: Float[Array, "n H W"]  # exact, in metres
    measured_depth: Float[Array, "n H W"]  # with noise; NaN on a pixel beside a nearer object


class Glyphs(NamedTuple):
    """The digits to draw from."""

    images: Float[Array, "G h w"]  # ink, in [0, 1]
    classes: Int[Array, " G"]
    cumulative: Float[Array, " G"]  # probability of this digit and all before it; the last is exactly 1


def draw_scene(
    rng_key: RngKey, glyphs: Glyphs, mean_objects: Float[Array, ""], *, image_size: int, max_objects: int
) -> Scenes:
    """One scene: the fields of :class:`Scenes` without their first axis."""
    # Few draws of many numbers: each draw is compiled anew.
    key_plane, key_objects, key_waves, key_noise = jax.random.split(rng_key, 4)
    of_distance, of_direction, of_slope, of_level = jax.random.uniform(key_plane, (4,))
    of_arrival, of_glyph, of_layer, of_size, of_ink, *of_centre = jax.random.uniform(key_objects, (7, max_objects))
    noise = jax.random.normal(key_noise, (2, image_size, image_size))
    middles = (jnp.arange(image_size) + 0.5) * (2 / image_size) - 1
    grid = jnp.stack(jnp.meshgrid(middles, middles, indexing="ij"))  # [2, H, W]
    distance = _between(MEAN_DEPTH, of_distance)
    direction = 2 * jnp.pi * of_direction
    slope = MAX_SLOPE * of_slope * jnp.stack([jnp.sin(direction), jnp.cos(direction)])

    def depth_at(points: Float[Array, "2 *shape"]) -> Float[Array, "*shape"]:
        # The inverse depth of a plane is linear in image coordinates.
        return distance / (1 + jnp.tensordot(slope, points, 1))

    plane_depth = depth_at(grid)
    # Arrivals of a Poisson process in the time mean_objects: their number is Poisson, and at most max_objects are kept.
    wanted = jnp.cumsum(-jnp.log1p(-of_arrival)) < mean_objects
    chosen = jnp.searchsorted(glyphs.cumulative, of_glyph, side="right")
    # Each object lies in a layer of its own, parallel to the plane, so that the nearer of two is so at every pixel.
    layers = jnp.arange(max_objects)[::-1] + _between((0.5, 1.0), of_layer)
    nearness = _between((FARTHEST, NEAREST), layers / max_objects)
    centres = _between((-CENTRES, CENTRES), jnp.stack(of_centre, -1))
    sizes = _between(SIZES, of_size)

    def opacity(image, nearness, centre, size):
        depth = depth_at(centre) / nearness
        size = jnp.clip(size / depth, *APPARENT_SIZES) * depth
        offsets = (grid * (plane_depth / nearness)[None] - (centre * depth)[:, None, None]) / size
        return _opacity(image, offsets)

    opacities = jax.vmap(opacity)(glyphs.images[chosen], nearness, centres, sizes)
    visible, present = _place(opacities > 0.5, wanted)
    texture = _texture(key_waves, _between(TEXTURE_LEVEL, of_level), grid * plane_depth[None])
    image = _composite(texture, opacities * present[:, None, None], of_ink)

    order = jnp.argsort(~present)  # stable: present objects first, each part from near to far
    visible, present = visible[order], present[order]
    classes = jnp.where(present, glyphs.classes[chosen[order]], 0)

    def at_pixels(values: Array, background: int) -> Array:
        """The value of the object that is seen at each pixel: there is one at most."""
        return jnp.where(visible.any(0), (visible * values[:, None, None]).sum(0), background)

    depth = plane_depth / at_pixels(nearness[order], 1)
    instances = at_pixels(jnp.arange(1, max_objects + 1), 0)
    return Scenes(
        jnp.clip(image + PIXEL_NOISE * noise[0], 0, 1)[..., None],
        at_pixels(classes + 1, 0),
        instances,
        jax.vmap(_box)(visible),
        classes,
        present,
        depth,
        _measure(depth, instances, noise[1], max_objects),
    )


def _between(limits: tuple[float, float], fraction: Array) -> Array:
    return limits[0] + (limits[1] - limits[0]) * fraction


def _opacity(image: Float[Array, "h w"], offsets: Float[Array, "2 H W"]) -> Float[Array, "H W"]:
    """How much of each pixel a digit covers; offsets from its centre are in units of its size."""
    # The margin lets the outer strokes end smoothly.
    large = jax.image.resize(jnp.pad(image, 1), (GLYPH_SIZE, GLYPH_SIZE), "cubic")
    places = (offsets + 0.5) * GLYPH_SIZE - 0.5
    ink = jax.scipy.ndimage.map_coordinates(large, list(places), order=1)
    return jnp.clip(EDGE * (ink - INK_LEVEL) + 0.5, 0, 1)


def _place(masks: Bool[Array, "M H W"], wanted: Bool[Array, " M"]) -> tuple[Bool[Array, "M H W"], Bool[Array, " M"]]:
    """Visible pixels of objects from near to far, and which are in the scene: those of which enough is seen."""

    def place(covered, layer):
        mask, wanted = layer
        seen = mask & ~covered
        present = wanted & mask.any() & (seen.sum() >= MIN_VISIBLE * mask.sum())
        return covered | (mask & present), (seen & present, present)

    return jax.lax.scan(place, jnp.zeros_like(masks[0]), (masks, wanted))[1]


def _composite(
    background: Float[Array, "H W"], opacities: Float[Array, "M H W"], of_ink: Float[Array, " M"]
) -> Float[Array, "H W"]:
    """Paint the objects, from far to near: dark and light ones in turn, so that most of those that overlap differ."""
    is_dark = (jnp.arange(len(of_ink)) + (of_ink[0] < 0.5)) % 2 == 0
    inks = jnp.where(is_dark, DARKNESS * of_ink, 1 - DARKNESS * of_ink)

    def paint(image, layer):
        opacity, ink = layer
        return image + opacity * (ink - image), None

    return jax.lax.scan(paint, background, (opacities, inks), reverse=True)[0]


def _texture(rng_key: RngKey, level: Float[Array, ""], points: Float[Array, "2 H W"]) -> Float[Array, "H W"]:
    """A sum of waves on the plane: they look shorter where it is farther."""
    of_direction, of_frequency, of_phase = jax.random.uniform(rng_key, (3, NUM_WAVES))
    angles = 2 * jnp.pi * of_direction
    waves = _between(FREQUENCIES, of_frequency[None]) * jnp.stack([jnp.sin(angles), jnp.cos(angles)])
    heights = jnp.sin(2 * jnp.pi * (jnp.tensordot(waves.T, points, 1) + of_phase[:, None, None])).mean(0)
    return level + CONTRAST * heights


def _box(mask: Bool[Array, "H W"]) -> Float[Array, "4"]:
    """The half-open box of a mask; zeros for an empty one."""

    def span(occupied):
        return jnp.argmax(occupied), jnp.where(occupied.any(), len(occupied) - jnp.argmax(occupied[::-1]), 0)

    (top, bottom), (left, right) = span(mask.any(1)), span(mask.any(0))
    return jnp.stack([top, left, bottom, right]).astype(jnp.float32)


def _measure(
    depth: Float[Array, "H W"], instances: Int[Array, "H W"], noise: Float[Array, "H W"], max_objects: int
) -> Float[Array, "H W"]:
    """What a stereo camera would measure: noise that grows with the depth squared, nothing in half-occluded pixels."""
    background = max_objects + 1
    ranks = jnp.where(instances == 0, background, instances)  # a nearer object has a lower one
    around = jnp.pad(ranks, 1, constant_values=background)
    nearest = jnp.stack([around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]]).min(0)
    return jnp.where(nearest < ranks, jnp.nan, depth + DEPTH_NOISE * depth**2 * noise)
