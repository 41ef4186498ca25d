"""Arrays as pictures in a page: PNG, written without an imaging package."""

import base64
import struct
import zlib

import numpy as np


def is_picture(values: np.ndarray) -> bool:
    """Whether an array is an image, [H, W] or [H, W, 1 or 3]."""
    return (values.ndim == 2 or (values.ndim == 3 and values.shape[-1] in (1, 3))) and values.size > 0


def picture(values: np.ndarray) -> str:
    """The address ``data:image/png;base64,...`` of an image.

    Bytes are shown as they are, and numbers from 0 (black) to 1 (white). Others, such as standardised ones, are
    stretched from the smallest to the largest of the image.

    Args:
      values: [H, W] or [H, W, 1 or 3].

    Raises:
      ValueError: NaN or infinite values.
    """
    if values.dtype != np.uint8:
        values = values.astype(np.float64)
        if not np.isfinite(values).all():
            wrong = int((~np.isfinite(values)).sum())
            raise ValueError(f"expected finite pixels, got {wrong} that are not: this image cannot be shown")
        low, high = min(values.min(), 0.0), max(values.max(), 1.0)
        if (low, high) != (0.0, 1.0):
            low, high = values.min(), values.max()
        # An image of one value has no range; it is shown black.
        values = np.rint((values - low) / (high - low if high > low else 1.0) * 255).astype(np.uint8)
    return _address(values.reshape(*values.shape[:2], -1))


def layer(mask: np.ndarray) -> str:
    """The address of a picture that is opaque where a mask [H, W] is True, and transparent elsewhere."""
    return _address(np.stack([np.zeros_like(mask, np.uint8), 255 * mask.astype(np.uint8)], axis=-1))


def _address(pixels: np.ndarray) -> str:
    return "data:image/png;base64," + base64.b64encode(_png(pixels)).decode()


def _png(pixels: np.ndarray) -> bytes:
    """The file of bytes [H, W, channels]: grey, grey with opacity, or colours. PNG specification, third edition."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2}[channels]
    # Each row starts with the number of its filter: 0, none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes())), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    )
