"""Runs a study from the command line, and reports errors in one sentence."""

import sys
from collections.abc import Callable
from typing import TypeVar

import tyro

from bal.studies._programs import keep_programs

Settings = TypeVar("Settings")

CONTINUES = "the same command continues from the last finished round"


def run_command(
    main: Callable[[Settings], object],
    settings_type: Callable[..., Settings],
    description: str | None,
    *,
    after_interruption: str = CONTINUES,
) -> None:
    """Read the settings of a study from the command line and run it.

    Args:
      main: the study. It checks its settings before it writes, and holds its folder as :func:`sole_writer` while it
        does.
      settings_type: dataclass of its settings, each with a docstring that ``--help`` shows.
      description: what ``--help`` says first, the docstring of the study's file.
      after_interruption: what the same command does after Ctrl-C.

    Raises:
      SystemExit: see :func:`in_one_sentence`.
    """
    settings = tyro.cli(settings_type, description=description)
    keep_programs()
    in_one_sentence(lambda: main(settings), after_interruption=after_interruption)


def in_one_sentence(run: Callable[[], object], *, after_interruption: str = CONTINUES) -> None:
    """Run something for a person at a terminal, who reads a sentence instead of a traceback.

    Raises:
      SystemExit: with status 1 and a sentence if settings are invalid, data or packages are missing, the folder cannot
        be written or another process writes it, a score or a loss is NaN, or the person interrupts.
    """
    try:
        run()
    except OSError as error:
        place = f": {error.filename}" if error.filename is not None else ""
        sys.exit(f"error: {error.strerror or error}{place}")
    except (ValueError, ImportError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {after_interruption}")
