"""The settings that a results folder holds, for people and for the next command."""

import json
from typing import Any

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


def write_settings(settings: Settings, here: dict[str, Any]) -> None:
    """Write what a folder may not be extended along."""
    with whole_file(settings.output / "settings.json") as partial:
        partial.write_text(json.dumps(here["settings"], indent=2) + "\n")
