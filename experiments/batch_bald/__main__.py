"""Run the study: ``python -m experiments.batch_bald``."""

from bal.studies.command import run_command
from experiments.batch_bald import study

if __name__ == "__main__":
    run_command(study.main, study.Study, study.__doc__)
