"""Masks in the run-length code of Label Studio's brush, that of the package ``rle-pack`` on an image of four channels.

The code is a sequence of bits, in bytes: the number of values (32 bits), the bits of a value less one (5), the bits of
four lengths of runs less one (4 each), and then runs. A run begins with 1 and one value follows, or with 0 and all of
its values follow; then come which of the four lengths is used (2 bits), and the length less one.
"""

import numpy as np

BITS = 8  # of a value
LENGTHS = (3, 4, 8, 16)  # bits of the length of a run
CHANNELS = 4  # red, green, blue and alpha, of which a mask uses alpha


def encode_mask(mask: np.ndarray) -> list[int]:
    """The code of a mask, [H, W] of bool: 255 in all channels where it is True.

    Args:
      mask: of one class.
    """
    values = mask.reshape(-1)
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, len(values))
    starts = np.append(0, ends[:-1])
    parts = [f"{values.size * CHANNELS:032b}{BITS - 1:05b}", *(f"{bits - 1:04b}" for bits in LENGTHS)]
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        left, value = (end - start) * CHANNELS, 255 * int(values[start])
        while left:
            length = min(left, 1 << LENGTHS[-1])
            which = next(place for place, bits in enumerate(LENGTHS) if length <= 1 << bits)
            parts.append(f"1{which:02b}{length - 1:0{LENGTHS[which]}b}{value:0{BITS}b}")
            left -= length
    bits = "".join(parts)
    bits += "0" * (-len(bits) % 8)
    return list(int(bits, 2).to_bytes(len(bits) // 8))


def decode_mask(code: list[int], size: tuple[int, int]) -> np.ndarray:
    """The inverse of :func:`encode_mask`, of any valid code: True where alpha is not 0.

    Args:
      code: bytes, as numbers.
      size: rows and columns.

    Raises:
      ValueError: a code that is damaged, or of an image of another size.
    """
    try:
        bits = "".join(f"{byte:08b}" for byte in bytes(code))
        values = _values(bits)
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected a run-length code of Label Studio's brush, got a damaged one ({error})") from None
    if len(values) != size[0] * size[1] * CHANNELS:
        raise ValueError(f"expected a mask of {size[0]} x {size[1]} pixels, got {len(values) / CHANNELS:g} pixels")
    return values.reshape(*size, CHANNELS)[..., -1] > 0


def _values(bits: str) -> np.ndarray:
    place = 0

    def read(count: int) -> int:
        nonlocal place
        if place + count > len(bits):
            raise ValueError(f"it ends after {len(bits) // 8} bytes")
        place += count
        return int(bits[place - count : place], 2)

    total = read(32)
    width = read(5) + 1
    lengths = [read(4) + 1 for _ in LENGTHS]
    runs, counts, held = [], [], 0
    while held < total:
        repeated = read(1)
        length = read(lengths[read(2)]) + 1
        runs += [read(width)] if repeated else [read(width) for _ in range(length)]
        counts += [length] if repeated else [1] * length
        held += length
    return np.repeat(np.array(runs, np.int64), counts)
