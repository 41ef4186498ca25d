"""A pass over a pool on disk: a host loop around one compiled program for a block of chunks."""

import logging
import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import numpy as np
from jax.extend.core import Jaxpr
from jaxtyping import Array, Int

from bal.digests import digest_of_program, digest_of_values
from bal.processes import compare, exchange, whole
from bal.sources._reading import digest_of, read_ahead, read_block
from bal.sources._resuming import begin_pass
from bal.sources._source import Source

BLOCK_BYTES = 2**22  # that are read at a time: fewer cost calls, more cost memory
SECONDS_A_REPORT = 5.0

logger = logging.getLogger("bal.sources")


def compiled_pass(source: Source, jaxpr: Jaxpr, chunk_size: int, shared: bool) -> Callable[..., list[np.ndarray]]:
    """The pass as a function of what ``jaxpr`` holds; its program is compiled once, at the first call.

    Args:
      source: the pool.
      jaxpr: the function of a chunk; its constants are the arguments of the pass.
      chunk_size: points of a chunk: all N, or fewer.
      shared: each process reads and computes its share of the blocks, and gets the results of all.

    Returns:
      constants -> leaves [N, ...].
    """
    size, starts, per_block = source.size, _starts(source.size, chunk_size), _chunks_a_block(source, chunk_size)
    length = min(per_block * chunk_size, size)
    # Chunks [a, b) of a block are consecutive rows.
    blocks = [(a, min(a + per_block, len(starts))) for a in range(0, len(starts), per_block)]
    count, number = (jax.process_count(), jax.process_index()) if shared else (1, 0)
    ends = [share * len(blocks) // count for share in range(count + 1)]  # of the shares, as numbers of blocks
    bounds = [min(size, end * per_block * chunk_size) for end in ends]  # the same as numbers of points
    blocks = blocks[ends[number] : ends[number + 1]]
    program = jax.jit(partial(_whole if len(starts) == 1 else _chunks, jaxpr, chunk_size))

    def read(block: tuple[int, int]) -> tuple[tuple[int, int], list[np.ndarray]]:
        first, last = int(starts[block[0]]), int(starts[block[1] - 1])
        return block, read_block(source, first, last + chunk_size, length)

    def digest(constants: Sequence[Any]) -> str:
        parts = [digest_of_program(jaxpr), digest_of_values(constants)]
        numbers = map(str, (chunk_size, per_block, *ends))
        return "-".join([digest_of(source), *numbers, *(part.hex() for part in parts)])

    def run(*constants: Any) -> list[np.ndarray]:
        if not shared:
            return compute(*constants)
        compare(["pool"], lambda: [digest_of(source).encode()])
        constants = tuple(map(whole, constants))
        return exchange(lambda: [leaf[slice(*bounds[number : number + 2])] for leaf in compute(*constants)], bounds)

    def compute(*constants: Any) -> list[np.ndarray]:
        kept = begin_pass(results_of(jaxpr, size), lambda: digest(constants), shared)
        held, report, waiting = kept.leaves, _report(size), None
        for (a, b), rows in read_ahead(read, blocks[kept.done :]):
            offsets = np.zeros(per_block, np.int32)
            offsets[: b - a] = starts[a:b] - starts[a]
            computed = (a, b, program(constants, rows, offsets, np.int32(b - a)))
            # The results of a block are fetched while the device is busy with the next one.
            if waiting is not None:
                _store(held, waiting, starts, chunk_size)
                report(int(starts[a]))
                kept.note(kept.done + 1)
            waiting = computed
        if waiting is not None:
            _store(held, waiting, starts, chunk_size)
            kept.note(len(blocks), last=True)
        return kept.results()

    return run


def results_of(jaxpr: Any, count: int) -> list[jax.ShapeDtypeStruct]:
    """What the function of a chunk gives for so many points."""
    return [jax.ShapeDtypeStruct((count, *out.aval.shape[1:]), out.aval.dtype) for out in jaxpr.outvars]


def _starts(size: int, chunk_size: int) -> Int[np.ndarray, " c"]:
    """First row of each chunk. All chunks are full: the last one repeats rows of the one before, as in memory."""
    return np.minimum(np.arange(0, size, chunk_size), size - chunk_size)


def _chunks_a_block(source: Source, chunk_size: int) -> int:
    bytes_a_row = sum(math.prod(shape) * dtype.itemsize for shape, dtype in source.leaves)
    num_chunks = -(-source.size // chunk_size)
    return min(num_chunks, max(1, BLOCK_BYTES // max(1, bytes_a_row * chunk_size)))


def _whole(jaxpr: Jaxpr, chunk_size: int, constants: Sequence[Array], rows: list[Array], offsets, count) -> list[Array]:
    return [leaf[None] for leaf in jax.core.eval_jaxpr(jaxpr, constants, *rows)]


def _chunks(
    jaxpr: Jaxpr, chunk_size: int, constants: Sequence[Array], rows: list[Array], offsets, count
) -> list[Array]:
    """Leaves [chunks a block, chunk_size, ...]; the same loop as in memory, whose length is not known in advance."""

    def one(number: Array, held: list[Array]) -> list[Array]:
        chunk = [jax.lax.dynamic_slice_in_dim(leaf, offsets[number], chunk_size) for leaf in rows]
        values = jax.core.eval_jaxpr(jaxpr, constants, *chunk)
        return [leaf.at[number].set(value) for leaf, value in zip(held, values, strict=True)]

    shapes = results_of(jaxpr, chunk_size)
    empty = [jax.numpy.zeros((len(offsets), *leaf.shape), leaf.dtype) for leaf in shapes]
    return jax.lax.fori_loop(0, count, one, empty)


def _store(held: list[np.ndarray], computed: tuple, starts: np.ndarray, chunk_size: int) -> None:
    a, b, results = computed
    for leaf, values in zip(held, map(np.asarray, results), strict=True):
        for number in range(a, b):
            # Rows that the last chunk repeats keep the result of the chunk before, as in memory.
            first = number * chunk_size
            leaf[first : starts[number] + chunk_size] = values[number - a, first - starts[number] :]


def _report(size: int) -> Callable[[int], None]:
    started = last = time.monotonic()

    def report(done: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= SECONDS_A_REPORT:
            last = now
            logger.info("pool: %s of %s points in %.0f s", f"{done:,}", f"{size:,}", now - started)

    return report
