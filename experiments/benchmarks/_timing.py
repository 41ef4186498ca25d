"""Side-by-side timing: interleaved repetitions, so that a noisy machine is noisy for everyone."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median


def interleaved(functions: dict[str, Callable[[], object]], repetitions: int = 5) -> dict[str, list[float]]:
    """Seconds of each function, ``repetitions`` times in turn, after one call of each that is not counted."""
    for function in functions.values():
        function()
    times: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repetitions):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            times[name].append(time.perf_counter() - start)
    return times


def report(
    name: str,
    times: dict[str, list[float]],
    *,
    baseline: str,
    contender: str,
    target: float,
    output: Path | None = None,
) -> float:
    """Print how many times faster the contender is than the baseline, with its range, and append it to a JSON file.

    The ratio is that of the medians; its range is that of the ratios within each repetition.
    """
    ratios = [b / c for b, c in zip(times[baseline], times[contender], strict=True)]
    ratio = median(times[baseline]) / median(times[contender])
    row = {
        "name": name,
        "seconds": {key: {"median": median(values), "all": values} for key, values in times.items()},
        "ratio": ratio,
        "range": [min(ratios), max(ratios)],
        "target": target,
    }
    print(
        f"{name}: {baseline} {median(times[baseline]):.3f} s, {contender} {median(times[contender]):.3f} s, "
        f"ratio {ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f}), target {target:g}"
    )
    if output is not None:
        rows = json.loads(output.read_text()) if output.exists() else []
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(json.dumps([*rows, row], indent=2) + "\n")
    return ratio
