"""Side-by-side timing: interleaved repetitions, medians, and the ratio with its range."""

import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path


def interleaved(functions: dict[str, Callable[[], None]], repetitions: int = 5) -> dict[str, list[float]]:
    """Seconds of each function, run in turn so that a change of the machine's load hits all of them.

    Each function must wait for its own results. One run of each, which may compile, is not counted.
    """
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
    output: str | None = None,
) -> float:
    """Print how many times faster the contender is, with the range over repetitions; add the figures to a JSON file."""
    ratios = [slow / fast for slow, fast in zip(times[baseline], times[contender], strict=True)]
    medians = {key: statistics.median(values) for key, values in times.items()}
    ratio = medians[baseline] / medians[contender]
    seconds = ", ".join(f"{key} {value:.3g} s" for key, value in medians.items())
    print(f"{name}: {ratio:.2f}x ({min(ratios):.2f} to {max(ratios):.2f}), target {target}x; {seconds}", flush=True)
    if output is not None:
        path = Path(output)
        figures = json.loads(path.read_text()) if path.exists() else {}
        figures[name] = {"ratio": ratio, "range": [min(ratios), max(ratios)], "target": target, "seconds": times}
        path.write_text(json.dumps(figures, indent=2))
    return ratio
