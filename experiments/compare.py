"""``python -m experiments.compare`` is ``bal compare``."""

from bal.studies import compare
from bal.studies.command import run_command
from bal.studies.settings import Settings

if __name__ == "__main__":
    run_command(compare.main, Settings, compare.__doc__)
