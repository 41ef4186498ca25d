"""The settings that a results folder holds, for people and for the next command."""

import json
from typing import Any

from bal.studies.checkpoints import read_records
from bal.studies.provenance import differences
from bal.studies.settings import Settings
from bal.studies.whole_file import whole_file


def check_folder(settings: Settings, here: dict[str, Any]) -> None:
    """Raise where a folder holds results of other settings.

    Args:
      settings: name the folder.
      here: what makes the results now, from :func:`bal.studies.provenance.provenance`.
    """
    path = settings.output / "settings.json"
    if not path.exists():
        return
    try:
        held = json.loads(path.read_text())
        found = differences({"settings": dict(held)}, here, "settings")
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"expected settings as JSON, got a damaged file: {path}; delete it, each checkpoint holds its settings too"
        ) from error
    if found:
        raise ValueError(f"expected the settings of {settings.output}, got others: {found}; choose another output")


def more_than_asked(settings: Settings) -> str:
    """What a folder holds beside what is asked for, in a sentence; "" if it holds no more."""
    run, records = settings.run, list(read_records(settings.output).values())
    of_asked = [record for record in records if record["strategy"] in run.strategies]
    parts = []
    num_seeds = max((record["seeds"][-1] + 1 for record in of_asked), default=0)
    if num_seeds > run.num_seeds:
        parts.append(f"{num_seeds} seeds, of which {run.num_seeds} are shown")
    num_rounds = max((record["num_rounds"] for record in of_asked), default=0)
    if num_rounds > run.num_rounds:
        parts.append(f"{num_rounds} rounds, of which {run.num_rounds} are shown")
    others = sorted({record["strategy"] for record in records} - set(run.strategies))
    if others:
        parts.append(f"other strategies: {', '.join(others)}")
    return f"{settings.output} holds more: {'; '.join(parts)}" if parts else ""


def write_settings(settings: Settings, here: dict[str, Any]) -> None:
    """Write what a folder may not be extended along."""
    with whole_file(settings.output / "settings.json") as partial:
        partial.write_text(json.dumps(here["settings"], indent=2) + "\n")
