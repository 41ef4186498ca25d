"""What ``bal compare`` left in a folder."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from bal.studies.checkpoints import read_records
from bal.studies.statistics import curves

COLUMNS = {
    "metrics": ["strategy", "seed", "round", "num_labelled", "metric", "value"],
    "acquisitions": ["strategy", "seed", "round", "rank", "index"],
    "seconds": ["strategy", "num_seeds", "round", "seconds"],
    "stopping": [
        "strategy",
        "seed",
        "round",
        "kappa",
        "f_change",
        "f_change_bound",
        "uncertainty",
        "information",
        "accuracy",
        "accuracy_low",
        "accuracy_high",
    ],
}


class Results(NamedTuple):
    """The tables of a folder, and what made them."""

    name: str  # of the data set, or of the folder where data sets have one name
    folder: Path
    metrics: pd.DataFrame
    acquisitions: pd.DataFrame | None
    seconds: pd.DataFrame | None
    stopping: pd.DataFrame | None
    settings: dict[str, Any] | None
    versions: dict[str, str]

    @property
    def strategies(self) -> list[str]:
        """In the order of the command."""
        return list(map(str, self.metrics["strategy"].unique()))


def read_results(folders: tuple[Path, ...]) -> list[Results]:
    """Read the tables of result folders.

    Args:
      folders: that ``bal compare`` wrote, each once.

    Returns:
      Results in the same order, under different names.

    Raises:
      ValueError: no folders, one that is named twice, or one that is not a result; names the folder.
    """
    if not folders:
        raise ValueError("expected at least one folder of results, got none: name those that bal compare wrote")
    places = [folder.resolve() for folder in folders]
    if len(set(places)) < len(places):
        raise ValueError(f"expected each folder once, got {', '.join(map(str, folders))}")
    results = [_read(folder) for folder in folders]
    for name_of in (lambda each: each.name, lambda each: each.folder.resolve().name, lambda each: str(each.folder)):
        names = [name_of(each) for each in results]
        if len(set(names)) == len(names):
            break
    return [each._replace(name=name) for each, name in zip(results, names, strict=True)]


def _read(folder: Path) -> Results:
    if not folder.is_dir():
        raise ValueError(f"expected a folder of results, got {'a file' if folder.exists() else 'no folder'}: {folder}")
    metrics = _table(folder, "metrics")
    if metrics is None:
        raise ValueError(
            f"expected a folder of results, got one without metrics.parquet: {folder}; run bal compare --output "
            f"{folder} to its end"
        )
    if metrics.empty:
        raise ValueError(f"expected metrics in {folder}, got an empty table: run bal compare again")
    for metric in metrics["metric"].unique():
        curves(metrics, str(metric))
    name = str(metrics["dataset"].iloc[0]) if "dataset" in metrics else folder.resolve().name
    acquisitions, seconds, stopping = (_table(folder, table) for table in ("acquisitions", "seconds", "stopping"))
    return Results(name, folder, metrics, acquisitions, seconds, stopping, _settings(folder), _versions(folder))


def _table(folder: Path, name: str) -> pd.DataFrame | None:
    path = folder / f"{name}.parquet"
    if not path.exists():
        return None
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"expected a Parquet file, got something else or a damaged file: {path}") from error
    missing = [column for column in COLUMNS[name] if column not in table]
    if missing:
        raise ValueError(f"expected the columns {', '.join(COLUMNS[name])} in {path}, got no {', '.join(missing)}")
    return table


def _settings(folder: Path) -> dict[str, Any] | None:
    path = folder / "settings.json"
    if not path.exists():
        return None
    try:
        return dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise ValueError(f"expected settings as JSON, got a damaged file: {path}") from error


def _versions(folder: Path) -> dict[str, str]:
    """Versions of the packages that made the checkpoints; several where rounds were made with different ones."""
    seen: dict[str, dict[str, None]] = {}
    for record in read_records(folder).values():
        for part in [*record.get("earlier", []), record]:
            for package, version in part["versions"].items():
                seen.setdefault(package, {})[version] = None
    return {package: ", ".join(versions) for package, versions in seen.items()}
