"""Run the study: ``python -m experiments.task_agnostic``."""

from bal.studies.command import run_command
from experiments.task_agnostic import study

if __name__ == "__main__":
    run_command(study.main, study.Study, study.__doc__)
