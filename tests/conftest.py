"""Settings of every test: shapes are checked, silent rank promotion and warnings are errors, programs are kept."""

import gc
import os
import subprocess
import sys
from pathlib import Path

# Most of the tests' time is compilation, and many tests compile the same program; child processes find it here too.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parents[1] / ".pytest_cache" / "programs"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# And programs run for milliseconds here: less optimisation makes them slower and the tests faster.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
# Where an operation was called is written into its program, frame by frame, and kept through all of the compiler.
os.environ.setdefault("JAX_TRACEBACK_IN_LOCATIONS_LIMIT", "0")
# Eight devices on one CPU: what is divided over devices is tested everywhere.
FLAGS = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=8"
# The programs are small: one part a program, the older fusions, not those through MLIR, and fewer passes compile
# fastest. An XLA that does not know a flag ends the process that asks for it, so another one asks first; workers find
# the answer in what they inherit.
FASTEST = (
    "--xla_cpu_parallel_codegen_split_count=1",
    "--xla_cpu_use_fusion_emitters=false",
    "--xla_cpu_opt_preset=FAST_COMPILE",
)
# Most know all of them, so one question is enough.
for flags in (" ".join(FASTEST), *FASTEST):
    if flags not in FLAGS and "PYTEST_XDIST_WORKER" not in os.environ:
        asked = {**os.environ, "XLA_FLAGS": f"{FLAGS} {flags}"}
        # Without jax, which takes seconds to import.
        command = [sys.executable, "-c", "from jaxlib import xla_client; xla_client.make_cpu_client()"]
        if subprocess.run(command, env=asked, capture_output=True, check=False).returncode == 0:
            FLAGS = f"{FLAGS} {flags}"
os.environ["XLA_FLAGS"] = FLAGS

# Imports and tracing make millions of objects that live on; looking through all of them costs a twentieth of the tests'
# time.
gc.set_threshold(100_000, 50, 100)

import jax
import pytest
from jaxtyping import install_import_hook

import tests.beartype_once  # noqa: F401  # the hook names it, and does not import it

# The hook rewrites modules as they are imported, so it stands before the first import of bal.
install_import_hook("bal", "tests.beartype_once.beartype_once")

jax.config.update("jax_numpy_rank_promotion", "raise")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "error")
    # What another process has not written to its end, or never will, is compiled again.
    config.addinivalue_line("filterwarnings", "default:Error reading persistent compilation cache entry")


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Thousands of compiled programs would fill the memory of a small machine."""
    yield
    jax.clear_caches()


@pytest.fixture
def rng_key():
    return jax.random.key(0)
