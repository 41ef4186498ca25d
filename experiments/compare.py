"""``python -m experiments.compare`` is ``bal compare``."""

from bal.studies import compare, sweep
from bal.studies.command import run_command

if __name__ == "__main__":
    run_command(sweep.main, sweep.Comparison, compare.__doc__)
