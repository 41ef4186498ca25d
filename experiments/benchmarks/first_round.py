"""Seconds until ``bal compare`` has its first figures: BALD on digits, ten seeds; target: at most 6 s.

python -m experiments.benchmarks.first_round

A command starts in a new process, imports, loads the data, plans its memory, and runs one round. The first one
compiles; the others find its programs in the cache that the command line keeps.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

NUM_WARM = 3
COMMAND = """
import sys, time
start = time.perf_counter()
import jax, optax
from flax import nnx
below = time.perf_counter()
from pathlib import Path
import bal.studies.console
from bal.studies import Settings, prepare_grid
from bal.studies._programs import keep_programs
imported = time.perf_counter()
keep_programs()
prepare_grid(Settings().with_values(strategies=("bald",), num_rounds=1, output=Path(sys.argv[1])))()
end = time.perf_counter()
parts = {"jax, flax and optax": below - start, "bal": imported - below, "the rest": end - imported}
print(f"{end - start:.1f} s:", ", ".join(f"{name} {seconds:.1f}" for name, seconds in parts.items()))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "XDG_CACHE_HOME": folder}
        for number in range(1 + NUM_WARM):
            command = [sys.executable, "-c", COMMAND, str(Path(folder) / f"results_{number}")]
            done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
            print("warm:" if number else "cold:", done.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
