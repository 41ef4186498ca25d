"""Two operations on a pool on disk that JAX traces like its own, and that only the host can carry out."""

from collections.abc import Callable
from typing import Any, NoReturn

import jax
import numpy as np
from jax.extend.core import Jaxpr, Primitive
from jax.interpreters import batching, mlir
from jaxtyping import Array, Int

from bal.processes import whole
from bal.sources._passes import compiled_pass, results_of
from bal.sources._reading import read_rows
from bal.sources._source import Source
from bal.types import PyTree

take_p, map_p = Primitive("take_rows"), Primitive("map_source")
PRIMITIVES = (take_p, map_p)


def take_rows(source: Source, indices: Int[Array, " n"]) -> PyTree:
    """Inputs [n, ...] at these indices; the absent index N, and any beyond it, gives zeros."""
    return jax.tree.unflatten(source.structure, take_p.bind(indices, source=source))


def map_source(fn: Callable[[PyTree], PyTree], source: Source, chunk_size: int, *, shared: bool = False) -> PyTree:
    """Apply a function of inputs [n, ...] to all points, in chunks of exactly that size: leaves [N, ...].

    Where the pass is ``shared``, each process computes the results of its share of the pool, and all get all of them.

    The function may hold arrays of the computation around it, as a closure of a strategy does: they become arguments of
    the operation, so that its program does not depend on them.
    """
    structure = None

    def flat(*leaves: Array) -> list[Array]:
        nonlocal structure
        values, structure = jax.tree.flatten(fn(jax.tree.unflatten(source.structure, leaves)))
        return values

    closed = jax.make_jaxpr(flat)(*jax.tree.leaves(source.shapes(chunk_size)))
    results = map_p.bind(*closed.consts, source=source, jaxpr=closed.jaxpr, chunk_size=chunk_size, shared=shared)
    return jax.tree.unflatten(structure, results)


def host_operation(primitive: Primitive, params: dict[str, Any]) -> Callable[..., list[np.ndarray]]:
    """The operation as a function on the host. That of a pass keeps its compiled program."""
    if primitive is take_p:
        return lambda indices: read_rows(params["source"], np.asarray(whole(indices)))
    return compiled_pass(params["source"], params["jaxpr"], params["chunk_size"], params["shared"])


def _take_shapes(indices, *, source: Source) -> list:
    return [jax.core.ShapedArray((*indices.shape, *shape), dtype) for shape, dtype in source.leaves]


def _map_shapes(*constants, source: Source, jaxpr: Jaxpr, chunk_size: int, shared: bool) -> list:
    return [jax.core.ShapedArray(leaf.shape, leaf.dtype) for leaf in results_of(jaxpr, source.size)]


def _refuse_vmap(*args, **params) -> NoReturn:
    raise ValueError(
        "expected one run at a time on a pool on disk, got jax.vmap over several: run the seeds one after the other"
    )


def _refuse_compilation(*args, **params) -> NoReturn:
    raise ValueError(
        "expected a function of a learner on a pool on disk to be called by itself, got it inside compiled code: leave "
        "jax.jit out, since the learner compiles the pieces between its reads"
    )


for _primitive, _shapes in ((take_p, _take_shapes), (map_p, _map_shapes)):
    _primitive.multiple_results = True
    _primitive.def_abstract_eval(_shapes)
    _primitive.def_impl(
        lambda *args, _primitive=_primitive, **params: [
            jax.numpy.asarray(leaf) for leaf in host_operation(_primitive, params)(*args)
        ]
    )
    batching.primitive_batchers[_primitive] = _refuse_vmap
    mlir.register_lowering(_primitive, _refuse_compilation)
