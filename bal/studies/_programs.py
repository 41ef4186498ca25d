"""Programs of studies: how far the compiler optimises their steps, and where the command line keeps them."""

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
    """Options of the compiler for a study: on a CPU, LLVM's first level of optimisation, not its third.

    The compiler takes about half as long, and the rounds that were timed took as long as before (``CONTRIBUTING.md``).
    Steps of ``run_grid`` are compiled so; the pieces between the reads of a pool on disk have XLA's default.

      >>> import bal, jax
      >>> double = jax.jit(lambda x: 2 * x, compiler_options=bal.studies.compiler_options())
      >>> int(double(3))
      6

    Returns:
      options for the outermost ``jax.jit``, or None, which leaves XLA's defaults: on an accelerator, and where
      ``XLA_FLAGS`` names a level or ``JAX_DISABLE_MOST_OPTIMIZATIONS`` is set in the process that compiles.
    """
    is_set = LEVEL in os.environ.get("XLA_FLAGS", "") or jax.config.read("jax_disable_most_optimizations")
    return None if is_set or jax.default_backend() != "cpu" else {LEVEL: 1}
