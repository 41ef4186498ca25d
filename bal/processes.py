"""Several processes, each with its part of the pool: whether they run one program on the same data.

Processes of different programs wait for each other for ever, and those of different data compute what belongs to no
run. So they compare digests before anything compiles.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import jax
import numpy as np
from jax.sharding import Mesh

from bal.digests import digest_of_program, digest_of_values

MESSAGE_BYTES = 1000  # of an error that is told to other processes

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
        compare(list(digests), lambda: list(digests.values()))
        return fn(*args)

    return run  # type: ignore[return-value]


def compare(names: Sequence[str], digests: Callable[[], Sequence[bytes]]) -> None:
    """Raise in all processes if one has another digest of something than process 0.

    Args:
      names: of what is compared, for the sentence.
      digests: gives one digest a name; if it raises, so do all processes, as in :func:`exchange`.

    Raises:
      ValueError: they differ.
    """

    def mine() -> list[np.ndarray]:
        return [np.stack([np.frombuffer(digest, np.uint8) for digest in digests()])[None]]

    # In a thread of its own, since a function may be traced now, and a trace takes in everything that is computed.
    with ThreadPoolExecutor(1) as apart:
        (held,) = apart.submit(exchange, mine, range(jax.process_count() + 1)).result()
    for number, theirs in enumerate(held):
        other = [name for name, a, b in zip(names, theirs, held[0], strict=True) if (a != b).any()]
        if other:
            raise ValueError(
                f"expected the same {' and '.join(other)} in all {len(held)} processes, got others in process {number} "
                "than in process 0: start all of them by the same command"
            )


def whole(value: Any) -> Any:
    """An array of all processes as one of this process, with all of its parts; other values as they are."""
    if not isinstance(value, jax.Array) or value.is_fully_addressable:
        return value
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(whole(jax.random.key_data(value)), impl=jax.random.key_impl(value))
    if value.is_fully_replicated:
        return np.asarray(value)
    from jax.experimental import multihost_utils

    return multihost_utils.process_allgather(value, tiled=True)


def exchange(compute: Callable[[], list[np.ndarray]], bounds: Sequence[int]) -> list[np.ndarray]:
    """The rows of all processes, each of which computes its own.

    Args:
      compute: leaves [n, ...] of the rows of this process; called before anything is exchanged.
      bounds: process k has the rows from ``bounds[k]`` to ``bounds[k + 1]``.

    Returns:
      Leaves [N, ...] with the rows of all, in all processes.

    Raises:
      Exception: that of ``compute``; in the other processes a ValueError with its message, so that none waits for it.
    """
    from jax.experimental import multihost_utils

    error, mine, message = None, [], np.zeros(MESSAGE_BYTES, np.uint8)
    try:
        mine = compute()
    except Exception as raised:
        error, text = raised, (str(raised) or type(raised).__name__).encode()[:MESSAGE_BYTES]
        message[: len(text)] = np.frombuffer(text, np.uint8)
    messages = multihost_utils.process_allgather(message)
    if error is not None:
        raise error
    for number, each in enumerate(messages):
        if each.any():
            raise ValueError(f"process {number}: {each.tobytes().rstrip(bytes(1)).decode(errors='ignore')}")
    sizes, results = np.diff(bounds), []
    for leaf in mine:
        # Shares of blocks differ, what is exchanged may not.
        padded = np.zeros((sizes.max(), *leaf.shape[1:]), leaf.dtype)
        padded[: len(leaf)] = leaf
        parts = multihost_utils.process_allgather(padded)
        results.append(np.concatenate([part[:size] for part, size in zip(parts, sizes, strict=True)]))
    return results


def _check_axes(tree: Any) -> None:
    """Raise for arrays whose type says where their parts are: the compiler divides what a learner computes."""
    for leaf in jax.tree.leaves(tree):
        mesh = getattr(getattr(jax.typeof(leaf), "sharding", None), "mesh", None)
        if mesh is not None and any(kind is not jax.sharding.AxisType.Auto for kind in mesh.axis_types):
            raise ValueError(
                "expected arrays on a mesh whose axes are of the kind Auto, got Explicit ones: make it by "
                "jax.sharding.Mesh(jax.devices(), ('pool',))"
            )
