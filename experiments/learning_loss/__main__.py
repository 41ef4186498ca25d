"""Run the study: ``python -m experiments.learning_loss``."""

from bal.studies.command import run_command
from experiments.learning_loss import study

if __name__ == "__main__":
    run_command(study.main, study.Study, study.__doc__)
