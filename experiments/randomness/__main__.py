"""Run the study: ``python -m experiments.randomness``."""

from bal.studies.command import run_command
from experiments.randomness import study

if __name__ == "__main__":
    run_command(study.main, study.Study, study.__doc__, after_interruption=study.CONTINUES)
