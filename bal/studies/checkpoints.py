"""One file for a strategy and a group of seeds: what was seen of their rounds, their last state, and what made it.

A checkpoint is an .npz archive of plain named arrays and a JSON record, so that it can be read without building a
learner or tracing a program, and without unpickling. It replaces the one of the round before, whole or not at all.
"""

import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

import bal
from bal.automatic import AutomaticInfo
from bal.posteriors import FitInfo
from bal.selection import Selection
from bal.stopping import PredictedAccuracy
from bal.studies.provenance import differences
from bal.studies.whole_file import own_folder, whole_file

FORMAT = 1
# The records that an info is made of, by the name under which a checkpoint holds them.
KINDS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (bal.StepInfo, Selection, FitInfo, AutomaticInfo, bal.OracleInfo, bal.StopInfo, PredictedAccuracy)
}
# What a damaged archive raises, wherever the damage is.
DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


class Checkpoint(NamedTuple):
    """What a file holds, without the state."""

    record: dict[str, Any]
    info: bal.StepInfo  # leaves [rounds, seeds, ...]
    seconds: list[float]  # of each round


def checkpoint_path(output: Path, strategy: str, first_seed: int) -> Path:
    """Where the checkpoint of a group of seeds is."""
    return output / "checkpoints" / strategy.replace(":", ".") / f"{first_seed:05d}.npz"


def write_checkpoint(path: Path, record: dict[str, Any], info: bal.StepInfo, seconds: list[float], state: Any) -> None:
    """Write a checkpoint, which replaces the one before."""
    own_folder(path.parent.parent)
    own_folder(path.parent)
    arrays: dict[str, np.ndarray] = {"seconds": np.asarray(seconds)}
    structure = _take_apart(info, "info", arrays)
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(state)]
    # NumPy's format does not know the dtypes of JAX such as bfloat16: they are written as bytes.
    dtypes = [str(leaf.dtype) for leaf in leaves]
    arrays |= {f"state/{k}": leaf.view(np.uint8) if leaf.dtype.kind == "V" else leaf for k, leaf in enumerate(leaves)}
    record = {**record, "format": FORMAT, "num_rounds": len(seconds), "structure": structure, "dtypes": dtypes}
    arrays["record"] = np.frombuffer(json.dumps(record).encode(), np.uint8)
    with whole_file(path) as partial:
        np.savez(partial, **arrays)  # type: ignore[arg-type]


def read_record(path: Path) -> dict[str, Any]:
    """What made a checkpoint.

    Raises:
      ValueError: a damaged file, or one that is not a checkpoint.
    """
    with _archive(path) as arrays:
        record = json.loads(bytes(arrays["record"]))
        written_as = record["format"]
    if written_as != FORMAT:
        raise ValueError(f"expected a checkpoint of format {FORMAT}, got format {written_as}: {path}")
    return record


def read_checkpoint(path: Path) -> Checkpoint:
    """All of a checkpoint but its state."""
    record = read_record(path)
    with _archive(path) as arrays:
        return Checkpoint(record, _put_together(record["structure"], arrays), arrays["seconds"].tolist())


def read_state(path: Path) -> list[np.ndarray]:
    """The leaves of the state after the last round."""
    dtypes = read_record(path)["dtypes"]
    with _archive(path) as arrays:
        leaves = [arrays[f"state/{number}"] for number in range(len(dtypes))]
    return [
        leaf if str(leaf.dtype) == dtype else leaf.view(jax.numpy.dtype(dtype))
        for leaf, dtype in zip(leaves, dtypes, strict=True)
    ]


def read_records(output: Path) -> dict[Path, dict[str, Any]]:
    """The records of all checkpoints of a folder.

    Raises:
      ValueError: there is something among them that is not a checkpoint, or not in its place.
    """
    folder, records = output / "checkpoints", {}
    for strategy in _entries(folder):
        for path in _entries(strategy):
            record = read_record(path)
            place = checkpoint_path(output, str(record.get("strategy")), _first(record))
            if place != path:
                raise ValueError(
                    f"expected the checkpoint that belongs to {path}, got the one of {place}: move it back"
                )
            records[path] = record
    return records


def check_records(records: dict[Path, dict[str, Any]], here: dict[str, Any], *, allow_changed_code: bool) -> None:
    """Raise where a checkpoint was made with other settings, data, versions or code.

    Args:
      records: of all checkpoints of the folder.
      here: strategy -> what would make its checkpoints now; "" for strategies that are not asked for.
      allow_changed_code: whether versions and code may differ.
    """
    for path, record in records.items():
        now = here.get(record["strategy"], here[""])
        if record["strategy"] not in here:
            # The code of a strategy that is not asked for does not matter.
            record = {**record, "code": {key: value for key, value in record["code"].items() if key in now["code"]}}
        for part in ("settings", "data"):
            if found := differences(record, now, part):
                raise ValueError(
                    f"expected the settings and data that made {path}, got others: {found}; choose another output"
                )
        for earlier in [] if allow_changed_code else [record, *record.get("earlier", [])]:
            if found := ", ".join(filter(None, (differences(earlier, now, part) for part in ("versions", "code")))):
                raise ValueError(
                    f"expected the code and versions that made {path}, got others: {found}; "
                    "choose another output, or add --allow-changed-code"
                )


def _entries(folder: Path) -> list[Path]:
    """What is in a folder of checkpoints: folders in the outer one, archives in the inner ones."""
    if not folder.exists():
        return []
    if folder.is_symlink() or not folder.is_dir():
        raise ValueError(f"expected a folder of checkpoints, got a file or a symbolic link: {folder}; move it away")
    # Hidden files are left by a process that was killed, and by file managers.
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _first(record: dict[str, Any]) -> int:
    seeds = record.get("seeds")
    return seeds[0] if seeds else -1


@contextmanager
def _archive(path: Path) -> Iterator[Any]:
    """The arrays of a checkpoint; whatever cannot be read of them is said in one sentence."""
    try:
        # NumPy leaves a file open if it is no archive.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            yield arrays
    except DAMAGE as error:
        raise ValueError(
            f"expected a checkpoint of bal, got something else or a damaged file: {path}; delete it or move it away"
        ) from error


def _take_apart(tree: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Put the arrays of a tree under their names, and describe the rest as JSON can hold it."""
    if tree is None:
        return None
    if isinstance(tree, dict):
        kind, fields = "dict", tree
    elif type(tree).__name__ in KINDS:
        kind, fields = type(tree).__name__, tree._asdict()
    else:
        arrays[name] = np.asarray(tree)
        return name
    return {"kind": kind, "parts": {key: _take_apart(each, f"{name}/{key}", arrays) for key, each in fields.items()}}


def _put_together(structure: Any, arrays: Any) -> Any:
    if structure is None:
        return None
    if isinstance(structure, str):
        return arrays[structure]
    parts = {key: _put_together(each, arrays) for key, each in structure["parts"].items()}
    return parts if structure["kind"] == "dict" else KINDS[structure["kind"]](**parts)
