"""Run the study: ``python -m experiments.posteriors``."""

from bal.studies.command import run_command
from experiments.posteriors import study

if __name__ == "__main__":
    run_command(
        study.main, study.Settings, study.__doc__, after_interruption="the same command starts from the beginning"
    )
