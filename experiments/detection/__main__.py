"""Run the study: ``python -m experiments.detection``."""

from bal.studies.command import run_command
from experiments.detection import study

if __name__ == "__main__":
    run_command(study.main, study.Study, study.__doc__)
