"""Run the study: ``python -m experiments.noisy``."""

from bal.studies.command import run_command
from experiments.noisy import study

if __name__ == "__main__":
    run_command(study.main, study.Study, study.__doc__)
