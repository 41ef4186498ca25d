"""From a command line to a study, and from what stops it to one sentence."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeVar

import tyro

from bal.studies.sole_writer import sole_writer


class Writes(Protocol):
    """Settings of something that writes a results folder."""

    @property
    def output(self) -> Path: ...


Settings = TypeVar("Settings", bound=Writes)

CONTINUES = "the same command continues from the last finished round"


def run_command(
    main: Callable[[Settings], object],
    settings_type: Callable[..., Settings],
    description: str | None,
    *,
    after_interruption: str = CONTINUES,
) -> None:
    """Read the settings from the command line and run a study as the only writer of its folder.

    What it cannot do is said without a traceback.

    Args:
      main: the study.
      settings_type: dataclass of its settings, each with a docstring that ``--help`` shows.
      description: what ``--help`` says first, the docstring of the study's file.
      after_interruption: what the same command does after Ctrl-C.

    Raises:
      SystemExit: with a sentence and status 1 where settings cannot be, data or packages are missing, the folder cannot
        be written or another process writes it, a score or a loss is NaN, or the person interrupts.
    """
    settings = tyro.cli(settings_type, description=description)
    try:
        # Tables and pictures are written outside of the grid, which holds the folder too.
        with sole_writer(settings.output):
            main(settings)
    except (ValueError, ImportError, OSError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {after_interruption}")


def main() -> None:
    """The console script ``bal``."""
    from bal.studies import compare
    from bal.studies.settings import Settings

    commands = {"compare": Settings}
    if sys.argv[1:2] != ["compare"]:
        sys.exit(f"error: expected one of the commands {list(commands)}, got {sys.argv[1:2]}")
    del sys.argv[1]
    run_command(compare.main, Settings, compare.__doc__)
