"""Several processes, each with its part of the pool: whether they run one program on the same data.

Processes of different programs wait for each other for ever, and those of different data compute what belongs to no
run. So they compare digests before anything compiles.
"""

import functools
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh

from bal.digests import digest_of_program, digest_of_values

Function = TypeVar("Function", bound=Callable[..., Any])


def num_processes(mesh: Mesh | None) -> int:
    """How many processes the devices of a mesh belong to; 1 without one.

    Raises:
      ValueError: several processes, but not all of them.
    """
    count = 1 if mesh is None else len({device.process_index for device in mesh.devices.flat})
    if 1 < count < jax.process_count():
        raise ValueError(
            f"expected a mesh over one process or over all {jax.process_count()}, got one over {count}: make it of "
            "jax.devices()"
        )
    return count


def in_agreement(fn: Function, mesh: Mesh | None) -> Function:
    """The same function, which first compares what all processes of a mesh call it with.

    Args:
      fn: what it computes depends on its settings and its arguments only.
      mesh: that of the settings.

    Returns:
      ``fn`` itself where there is one process; otherwise a function that traces it once more for each shape of its
      arguments, and raises a ValueError in all processes if one has another program or another value of an argument.
      Values are compared where they can be read: not in compiled code, and not those of arrays whose parts are in
      several processes.
    """
    if num_processes(mesh) == 1:
        return fn
    signature, programs = inspect.signature(fn), {}  # type: ignore[var-annotated]

    @functools.wraps(fn)
    def run(*given: Any, **named: Any) -> Any:
        bound = signature.bind(*given, **named)
        args = bound.args
        _check_axes(args)
        # What is still being computed may not cross with the comparison.
        jax.block_until_ready(args)
        leaves, structure = jax.tree.flatten(args)
        specs = [jax.ShapeDtypeStruct(np.shape(leaf), jax.dtypes.result_type(leaf)) for leaf in leaves]
        key = structure, tuple((spec.shape, spec.dtype) for spec in specs)
        if key not in programs:
            jaxpr = jax.make_jaxpr(lambda *leaves: fn(*jax.tree.unflatten(structure, leaves)))(*specs)
            programs[key] = digest_of_program(jaxpr)
        digests = {"settings": programs[key]}
        digests |= {name: digest_of_values(value) for name, value in bound.arguments.items()}
        _compare(digests)
        return fn(*args)

    return run  # type: ignore[return-value]


def _compare(digests: dict[str, bytes]) -> None:
    from jax.experimental import multihost_utils

    mine = np.stack([np.frombuffer(digest, np.uint8) for digest in digests.values()])
    # In a thread of its own, since the function may be traced now, and a trace takes in everything that is computed.
    with ThreadPoolExecutor(1) as apart:
        held = apart.submit(multihost_utils.process_allgather, mine).result()
    for number, theirs in enumerate(held):
        other = [name for name, a, b in zip(digests, theirs, held[0], strict=True) if (a != b).any()]
        if other:
            raise ValueError(
                f"expected the same {' and '.join(other)} in all {len(held)} processes, got others in process {number} "
                "than in process 0: start all of them by the same command"
            )


def _check_axes(tree: Any) -> None:
    """Raise for arrays whose type says where their parts are: the compiler divides what a learner computes."""
    for leaf in jax.tree.leaves(tree):
        mesh = getattr(getattr(jax.typeof(leaf), "sharding", None), "mesh", None)
        if mesh is not None and any(kind is not jax.sharding.AxisType.Auto for kind in mesh.axis_types):
            raise ValueError(
                "expected arrays on a mesh whose axes are of the kind Auto, got Explicit ones: make it by "
                "jax.sharding.Mesh(jax.devices(), ('pool',))"
            )
