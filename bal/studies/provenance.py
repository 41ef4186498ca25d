"""What a result was made of: settings, versions, code and data, as far as they decide it."""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import jax
import numpy as np

import bal
from bal.sources import Source, digest_of
from bal.studies.plugins import is_plugin, plugin_sources
from bal.studies.settings import EXTENDS, NOT_RECORDED, Settings, flat_values

PACKAGES = ("jax", "jaxlib", "numpy", "flax", "optax", "numpyro")
# Files of bal.studies that decide results; the others show them.
OF_STUDIES = ("_programs.py", "cells.py", "grid.py", "labels.py", "learners.py", "models.py", "plugins.py")
TABLES = (".csv", ".parquet", ".npz")


def provenance(settings: Settings, dataset: bal.Dataset | None = None) -> dict[str, Any]:
    """Settings, versions and digests, as JSON holds them.

    Args:
      settings: of the study.
      dataset: one that replaces the one that the settings name.
    """
    values = flat_values(settings)
    names = [values["dataset"], values["network"], values["posterior"], values["evaluation_posterior"] or ""]
    record = {
        "settings": {key: value for key, value in values.items() if key not in (*EXTENDS, *NOT_RECORDED)},
        "versions": {"bal": bal.__version__, **_versions(names)},
        "code": {"bal": _digest(_own_sources())},
        "data": {},
    }
    for name in filter(is_plugin, names):
        record["code"][name] = _digest(plugin_sources(name))
    if dataset is not None:
        record["data"]["dataset"] = _digest_of_arrays(dataset)
    elif is_table(values["dataset"]):
        record["data"][values["dataset"]] = _digest([Path(values["dataset"])])
    return json.loads(json.dumps(record, default=str))


def of_strategy(record: dict[str, Any], strategy: str) -> dict[str, Any]:
    """The record of one strategy, which has the code of that strategy too."""
    code = {strategy: _digest(plugin_sources(strategy))} if is_plugin(strategy) else {}
    return {**record, "strategy": strategy, "code": {**record["code"], **code}}


def is_table(dataset: str) -> bool:
    """Whether the name of a data set is the path of a table."""
    return not is_plugin(dataset) and Path(dataset).suffix in TABLES


def differences(there: dict[str, Any], here: dict[str, Any], part: str) -> str:
    """How two records differ in a part, in words; "" where they do not."""
    old, new = there.get(part, {}), here.get(part, {})
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    if part in ("code", "data"):
        return f"the {part} of {' and '.join(keys)} has changed since" if keys else ""
    return ", ".join(f"{key} {old.get(key)!r} there, {new.get(key)!r} here" for key in keys)


def _versions(names: Iterable[str]) -> dict[str, str]:
    chosen = [package for package in PACKAGES if package != "numpyro" or any("numpyro" in name for name in names)]
    return {package: importlib.metadata.version(package) for package in chosen}


def _own_sources() -> list[Path]:
    root = Path(bal.__file__).parent
    studies = root / "studies"
    # Rooms of the studies only show results.
    return sorted(
        path
        for path in root.rglob("*.py")
        if studies not in path.parents or (path.parent == studies and path.name in OF_STUDIES)
    )


def _digest(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ValueError(f"expected a file that can be read, got {error.strerror}: {path}") from error
        digest.update(f"{path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _digest_of_arrays(dataset: bal.Dataset) -> str:
    leaves, structure = jax.tree.flatten(dataset, is_leaf=lambda part: isinstance(part, Source))
    digest = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        array = np.frombuffer(digest_of(leaf).encode(), np.uint8) if isinstance(leaf, Source) else np.asarray(leaf)
        digest.update(f"{array.dtype} {array.shape}".encode() + np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
