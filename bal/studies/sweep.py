"""A comparison for each value of some settings, or for each combination of two: the cells of a sweep.

A cell is an ordinary comparison in a folder of its own, so it is continued, extended and reported as any other. Cells
share seeds, so that runs of one seed start from the same labels wherever the pool is the same.
"""

from contextlib import redirect_stderr
from dataclasses import dataclass, field
from io import StringIO
from itertools import product
from typing import Annotated, Any, NamedTuple
from urllib.parse import quote

import tyro

from bal import studies
from bal.studies import compare
from bal.studies._screen import show
from bal.studies.grid import prepare_grid
from bal.studies.settings import EXTENDS, NOT_RECORDED, Flat, Settings, flat_values
from bal.studies.sole_writer import sole_writer
from bal.validation import check_choice

Sweeps = tuple[tuple[str, ...], ...]
MOST = 2  # axes of a picture


@dataclass(frozen=True)
class Comparison:
    """Compare strategies on one data set: all from the same initial sets and keys, many seeds at once."""

    settings: Flat[Settings] = field(default_factory=Settings)
    sweep: Annotated[tyro.conf.UseAppendAction[Sweeps], tyro.conf.arg(metavar="SETTING VALUE...")] = ()
    """A setting and its values, such as dropout_rate 0.1 0.3 0.5; given twice, all combinations are compared."""


class SweptCell(NamedTuple):
    """A comparison, and the values that make it different from the others."""

    values: dict[str, Any]  # by the name of the setting; text where they are not numbers
    settings: Settings


def main(comparison: Comparison) -> None:
    """Run one comparison, or those of all cells; write the table and the picture of all."""
    settings = comparison.settings
    if not comparison.sweep:
        compare.main(settings)
        return
    cells = cells_of(settings, comparison.sweep)
    # Every mistake is found before anything is written.
    runs = [prepare_grid(cell.settings) for cell in cells]
    frames = []
    with sole_writer(settings.output):
        for number, cell in enumerate(cells, 1):
            show(f"Cell {number} of {len(cells)}: {cell.settings.output.name}")
            frame = compare.run_and_write(cell.settings, runs.pop(0))
            # The columns dataset and posterior have their values already.
            frames.append(frame.assign(**cell.values))
        import pandas as pd

        from bal.studies._sweep_results import plot_sweep, sweep_table

        metrics = pd.concat(frames, ignore_index=True)
        names = list(cells[0].values)
        studies.write_parquet(metrics, settings.output / "sweep.parquet")
        studies.save_picture(plot_sweep(metrics, names), settings.output / "sweep.png")
    show(sweep_table(metrics, names), f"The table and the picture of all cells are {settings.output}/sweep.*")


def cells_of(settings: Settings, sweeps: Sweeps) -> list[SweptCell]:
    """The product of sweeps, in the order of the command; the last one changes fastest.

    Args:
      settings: what the cells share; each has a folder in ``settings.output``.
      sweeps: a name of a setting and its values for each of at most two sweeps.

    Raises:
      ValueError: more sweeps, an unknown setting, one that does not change a run or its length, no values, one that the
        setting does not take, or one that is given twice.

    Example:
      >>> cells = cells_of(Settings(), (("dropout_rate", "0.1", "0.3"), ("num_samples", "8")))
      >>> [str(cell.settings.output) for cell in cells]
      ['results/compare/dropout_rate=0.1,num_samples=8', 'results/compare/dropout_rate=0.3,num_samples=8']
    """
    if len(sweeps) > MOST:
        raise ValueError(f"expected at most {MOST} times --sweep, got {len(sweeps)}: a picture has no more axes")
    axes: dict[str, list[Any]] = {}
    for sweep in sweeps:
        if not sweep:
            raise ValueError("expected --sweep SETTING VALUE..., got --sweep alone")
        name, *texts = sweep
        name = name.replace("-", "_")
        # Cells share their seeds.
        known = [each for each in flat_values(settings) if each not in (*EXTENDS, *NOT_RECORDED, "seed")]
        check_choice("the setting of --sweep", name, known)
        if name in axes:
            raise ValueError(f"expected another setting in each --sweep, got {name} twice")
        if not texts:
            raise ValueError(f"expected values after --sweep {name}, got none: --sweep {name} VALUE...")
        axes[name] = [_parsed(settings, name, text) for text in texts]
        twice = [value for value in axes[name] if axes[name].count(value) > 1]
        if twice:
            raise ValueError(f"expected each value of --sweep {name} once, got {_text(twice[0])} twice")
    # A column of a table has one type.
    numeric = {name: all(isinstance(value, int | float) for value in values) for name, values in axes.items()}
    cells = []
    for values in product(*axes.values()):
        named = dict(zip(axes, values, strict=True))
        folder = ",".join(f"{name}={quote(_text(value), safe=' :')}" for name, value in named.items())
        shown = {name: value if numeric[name] else _text(value) for name, value in named.items()}
        cells.append(SweptCell(shown, settings.with_values(**named, output=settings.output / folder)))
    return cells


def _parsed(settings: Settings, name: str, text: str) -> Any:
    """The value as the flag of the setting reads it."""
    flag = [f"--{name.replace('_', '-')}", *text.split()]
    try:
        if any(part.startswith("--") for part in flag[1:]):
            raise SystemExit
        # Its page on the mistake would be longer than a sentence.
        with redirect_stderr(StringIO()):
            read = tyro.cli(Settings, args=flag, default=settings, config=(tyro.conf.FlagConversionOff,))
    except SystemExit:
        raise ValueError(f"expected values that {flag[0]} takes after --sweep {name}, got {text!r}") from None
    return flat_values(read)[name]


def _text(value: Any) -> str:
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
