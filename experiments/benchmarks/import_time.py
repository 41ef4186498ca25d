"""Seconds that ``import bal`` adds to importing jax, flax and optax; target: at most 0.3.

python -m experiments.benchmarks.import_time
"""

import subprocess
import sys
from statistics import median

from experiments.benchmarks._timing import interleaved

BASE = "import jax, optax; from flax import nnx"


def main() -> None:
    def run(code: str):
        return lambda: subprocess.run([sys.executable, "-c", code], check=True)

    times = interleaved({"base": run(BASE), "bal": run(f"{BASE}; import bal")})
    added = [b - a for a, b in zip(times["base"], times["bal"], strict=True)]
    print(
        f"jax, flax and optax {median(times['base']):.2f} s; bal adds {median(added):.2f} s "
        f"({min(added):.2f} to {max(added):.2f}), target at most 0.3"
    )


if __name__ == "__main__":
    main()
