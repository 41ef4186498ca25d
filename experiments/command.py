"""From a command line to a study, and from what stops it to one sentence."""

import sys
from collections.abc import Callable
from typing import TypeVar

import tyro

Settings = TypeVar("Settings")

CONTINUES = "the same command continues from the last finished round"


def run_command(
    main: Callable[[Settings], object],
    settings_type: type[Settings],
    description: str | None,
    *,
    after_interruption: str = CONTINUES,
) -> None:
    """Read the settings from the command line and run a study; what it cannot do is said without a traceback.

    Args:
      main: the study.
      settings_type: dataclass of its settings, each with a docstring that ``--help`` shows.
      description: what ``--help`` says first, the docstring of the study's file.
      after_interruption: what the same command does after Ctrl-C.

    Raises:
      SystemExit: with a sentence and status 1 where settings cannot be, data or packages are missing, a score or a loss
        is NaN, or the person interrupts.
    """
    settings = tyro.cli(settings_type, description=description)
    try:
        main(settings)
    except (ValueError, ImportError, FileNotFoundError, FloatingPointError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit(f"interrupted: {after_interruption}")
