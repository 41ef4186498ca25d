"""Input checks. Each raises one sentence that says what was expected, what was given, and what to do.

Values are checked where they can be read; in compiled code, where they are traced, only types and shapes are.
"""

import difflib
from collections.abc import Collection, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array


def is_concrete(*arrays: Any) -> bool:
    """Whether the values of all these arrays can be read: False in compiled code, where they are traced."""
    return not any(isinstance(array, jax.core.Tracer) for array in arrays)


def as_array(name: str, value: Any) -> Array:
    """The value as a JAX array; raises for numbers that do not fit in its integers, where JAX would let them wrap."""
    if isinstance(value, jax.Array):
        return value
    array = np.asarray(value)
    if not (np.issubdtype(array.dtype, np.number) or array.dtype == bool):
        raise ValueError(f"expected {name} to be numbers, got {_describe(array)}")
    if np.issubdtype(array.dtype, np.integer) and array.size:
        limits = jnp.iinfo(jax.dtypes.canonicalize_dtype(array.dtype))
        for worst in (int(array.min()), int(array.max())):
            if not limits.min <= worst <= limits.max:
                raise ValueError(f"expected {name} between {limits.min} and {limits.max}, got {worst}")
    return jnp.asarray(array)


def check_count(name: str, value: Any, *, least: int = 1) -> None:
    """Raise unless a static size is a whole number of at least ``least``; 2.5, True and "3" are not."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"expected {name} to be a whole number of at least {least}, got {value!r}")


def check_counts(name: str, values: Any, *, least: int = 1, empty: bool = False) -> None:
    """Raise unless these are whole numbers of at least ``least``, such as the sizes of layers, and at least one."""
    if not isinstance(values, Sequence) or isinstance(values, str) or not (values or empty):
        raise ValueError(f"expected {name} to be a sequence of whole numbers, got {values!r}")
    for value in values:
        check_count(f"every number in {name}", value, least=least)


def check_positive(**settings: Any) -> None:
    """Raise if a setting is not above 0, or NaN. Traced values are not checked."""
    _check_numbers(settings, lambda value: value > 0, "above 0")


def check_nonnegative(**settings: Any) -> None:
    """Raise if a setting is below 0, or NaN. Traced values are not checked."""
    _check_numbers(settings, lambda value: value >= 0, "of at least 0")


def check_probability(**settings: Any) -> None:
    """Raise if a setting is outside [0, 1], or NaN. Traced values are not checked."""
    _check_numbers(settings, lambda value: (value >= 0) & (value <= 1), "between 0 and 1")


def check_fraction(**settings: Any) -> None:
    """Raise if a setting is not strictly between 0 and 1, or NaN. Traced values are not checked."""
    _check_numbers(settings, lambda value: (value > 0) & (value < 1), "strictly between 0 and 1")


def check_choice(name: str, value: Any, known: Collection[str]) -> None:
    """Raise unless the value is one of the known names; the message lists the nearest ones."""
    if value not in known:
        nearest = difflib.get_close_matches(str(value), list(known), n=3) or sorted(known)
        raise ValueError(f"expected {name} to be one of {', '.join(map(repr, nearest))}, got {value!r}")


def check_key(rng_key: Any) -> None:
    """Raise unless this is one typed key: an integer seed and an old-style uint32 key are not."""
    dtype = getattr(rng_key, "dtype", None)
    if dtype is None or not jnp.issubdtype(dtype, jax.dtypes.prng_key):
        raise ValueError(f"expected a key such as jax.random.key(0), got {_describe(rng_key)}")
    if rng_key.shape != ():
        raise ValueError(f"expected one key, got keys of shape {list(rng_key.shape)}: use jax.vmap for several")


def check_indices(name: str, indices: Array | np.ndarray, num_points: int, *, absent: bool = True) -> None:
    """Raise unless these are valid indices [n] of points; a mask and negative indices are invalid.

    Args:
      name: their name in the message.
      indices: an array.
      num_points: N, one more than the largest index.
      absent: whether N itself, the absent index, is allowed.
    """
    if not jnp.issubdtype(indices.dtype, jnp.integer) or indices.ndim != 1:
        hint = ": use jnp.flatnonzero(mask)" if indices.dtype == bool else ""
        raise ValueError(f"expected {name} to be integers of shape [n], got {_describe(indices)}{hint}")
    if not is_concrete(indices) or indices.size == 0:
        return
    values = np.asarray(indices)
    largest = num_points if absent else num_points - 1
    outside = (values < 0) | (values > largest)
    if outside.any():
        raise ValueError(
            f"expected {name} between 0 and {num_points - 1}{f' (or {num_points}, absent)' if absent else ''}, "
            f"got {values[outside][0]}"
        )


def _check_numbers(settings: dict[str, Any], is_valid, expected: str) -> None:
    for name, value in settings.items():
        if not is_concrete(value):
            continue
        array = np.asarray(value)
        if not np.issubdtype(array.dtype, np.number) or not np.all(is_valid(array)):
            raise ValueError(f"expected {name} {expected}, got {value!r}" if array.ndim == 0 else _some(name, expected))


def _some(name: str, expected: str) -> str:
    return f"expected {name} {expected} everywhere, got other values"


def _describe(value: Any) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of dtype {value.dtype} and shape {list(value.shape)}"
    return f"{value!r} of type {type(value).__name__}"
