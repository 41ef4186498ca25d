"""Programs of studies: how much the compiler optimises them, and where the command line keeps them."""

import os
from pathlib import Path

import jax

LEVEL = "xla_backend_optimization_level"
LARGEST = 2**30  # bytes; programs that were not used for longest go first


def keep_programs() -> None:
    """Let JAX keep compiled programs in a folder of the person's cache, so that only the first command compiles them.

    ``JAX_COMPILATION_CACHE_DIR`` names another folder, and ``JAX_ENABLE_COMPILATION_CACHE=false`` keeps nothing. If the
    folder cannot be written, nothing is kept.
    """
    if jax.config.jax_compilation_cache_dir is not None:  # type: ignore[attr-defined]
        return
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "bal" / "programs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_compilation_cache_max_size", LARGEST)


def compiler_options() -> dict[str, int] | None:
    """What ``jax.jit`` is told of a study's programs: on a CPU, LLVM's first level of optimisation, not its third.

    It compiles in about half of the time, and the rounds take as long: their time is in matrix products,
    convolutions and loops that both levels turn into vector instructions. Who has set the level in ``XLA_FLAGS``, or
    has asked JAX to disable most optimisations, has that.
    """
    is_set = LEVEL in os.environ.get("XLA_FLAGS", "") or jax.config.read("jax_disable_most_optimizations")
    return None if is_set or jax.default_backend() != "cpu" else {LEVEL: 1}
