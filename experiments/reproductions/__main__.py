"""Run a paper again: ``python -m experiments.reproductions --paper gal_2017``."""

from bal.studies.command import run_command
from experiments.reproductions import study

if __name__ == "__main__":
    run_command(study.main, study.Study, study.__doc__)
