"""Compiled programs of the command line, kept from one command to the next."""

import os
from pathlib import Path

import jax

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
