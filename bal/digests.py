"""Digests of programs and of values, which are the same in every process that has the same."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from jax.extend.core import ClosedJaxpr, Jaxpr

from bal.validation import is_concrete


def digest_of_program(jaxpr: Jaxpr | ClosedJaxpr) -> bytes:
    """The digest of a traced function, with the arrays that it holds.

    Example:
      >>> double, triple = (jax.make_jaxpr(lambda x, k=k: k * x)(1.0) for k in (2.0, 3.0))
      >>> digest_of_program(double) == digest_of_program(triple)
      False
    """
    return digest_of_values([program_text(jaxpr), list(_constants(jaxpr))])


def program_text(jaxpr: Jaxpr | ClosedJaxpr) -> str:
    """A traced function as text that is the same in all processes: without the addresses of functions in it."""
    return re.sub(r"0x[0-9a-f]+", "", str(jaxpr))


def digest_of_values(tree: Any) -> bytes:
    """The digest of texts and arrays; of arrays whose values cannot be read here, that of dtype and shape.

    Args:
      tree: arrays or texts. Values of traced arrays cannot be read, nor those that are divided over several processes.
    """
    digest = hashlib.sha256()
    for leaf in jax.tree.leaves(tree):
        if isinstance(leaf, str):
            digest.update(f"{len(leaf)} {leaf}".encode())
            continue
        array = _readable(leaf)
        digest.update(f"{array.dtype} {array.shape}".encode())
        if isinstance(array, np.ndarray):
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()


def _readable(leaf: Any) -> Any:
    if not is_concrete(leaf):
        return leaf
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    if isinstance(leaf, jax.Array) and not (leaf.is_fully_addressable or leaf.is_fully_replicated):
        return leaf
    return np.asarray(leaf)


def _constants(jaxpr: Any) -> Iterator[Any]:
    """Arrays that a traced function and those in it hold; its text does not have their values."""
    if isinstance(jaxpr, ClosedJaxpr):
        yield from jaxpr.consts
        jaxpr = jaxpr.jaxpr
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple | list) else [value]:
                if isinstance(inner, ClosedJaxpr | Jaxpr):
                    yield from _constants(inner)
