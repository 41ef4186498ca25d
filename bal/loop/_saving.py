"""A state on disk, for labelling over days: one file of plain arrays and a description, written whole or not at all."""

import json
import os
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bal.loop._learner import ActiveLearner, LoopState, Point
from bal.streaming import num_points
from bal.types import Dataset, PyTree
from bal.validation import is_concrete

VERSION = 1
HEADER = "description"
KEY_IMPLEMENTATIONS = {"key<fry>": "threefry2x32", "key<rbg>": "rbg", "key<urbg>": "unsafe_rbg"}


def save(path: str | Path, state: Any) -> None:
    """Write a state to one file, whole or not at all: an interruption leaves the previous file intact.

    The file is a NumPy ``npz`` archive of the state's arrays and a JSON description of them. Nothing is pickled.

    Args:
      path: of the file; an existing one is replaced.
      state: of one run, from any of the learner's functions.

    Raises:
      ValueError: not a state, or one that is being traced.
      OSError: the file cannot be written.

    Example:
      >>> import bal
      >>> dataset, path = bal.datasets.load("wave"), Path(tempfile.mkdtemp()) / "day1"
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=3)
      >>> save(path, learner.init(jax.random.key(0), dataset))
      >>> path.exists()
      True
    """
    if not isinstance(state, LoopState) or not is_concrete(*jax.tree.leaves(state)):
        raise ValueError(f"expected a state from init, ask, tell or step, outside compiled code, got {type(state)}")
    path = Path(path)
    leaves = jax.tree_util.tree_leaves_with_path(state)
    described = [{"place": jax.tree_util.keystr(place), **_describe(leaf)} for place, leaf in leaves]
    description = {"version": VERSION, "point": str(state.point), "leaves": described}
    arrays = {str(number): _to_numpy(leaf) for number, (_, leaf) in enumerate(leaves)}
    arrays[HEADER] = np.frombuffer(json.dumps(description).encode(), np.uint8)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def load(path: str | Path, learner: ActiveLearner, dataset: Dataset) -> LoopState:
    """Read a state that :func:`bal.save` wrote.

    Args:
      path: of the file.
      learner: built with the same settings as the one that made the state; the state may have room for more rounds, see
        ``learner.extend``.
      dataset: the one of the run.

    Returns:
      The state, with the arrays that were saved, bit for bit.

    Raises:
      ValueError: a file that is damaged or was not written by ``bal.save``, or a state that does not match the learner
        or the data set; the message names the first array that differs.
      FileNotFoundError: no such file.

    Example:
      >>> import bal
      >>> dataset, path = bal.datasets.load("wave"), Path(tempfile.mkdtemp()) / "day1"
      >>> posterior = bal.posteriors.bayesian_linear(noise=0.1)
      >>> learner = bal.build(posterior, bal.strategies.random(batch_size=2), num_initial=2, num_rounds=3)
      >>> save(path, learner.init(jax.random.key(0), dataset))
      >>> int(load(path, learner, dataset).pool.num_labelled)
      2
    """
    description, arrays = _read(Path(path))
    held = description["leaves"]
    point = Point.of(dataset.pool_inputs)
    if description["point"] != str(point):
        raise ValueError(f"expected a state for inputs {point.leaves} in {path}, got one for {description['point']}")
    template = _template(learner, dataset, {leaf["place"]: leaf for leaf in held}, path)
    wanted = jax.tree_util.tree_leaves_with_path(template)
    expected = [{"place": jax.tree_util.keystr(place), **_describe(leaf)} for place, leaf in wanted]
    if [leaf["place"] for leaf in held] != [leaf["place"] for leaf in expected]:
        there, here = ({leaf["place"] for leaf in leaves} for leaves in (held, expected))
        raise ValueError(
            f"expected a state of this learner in {path}, got one of another: it also has "
            f"{sorted(there - here) or 'nothing'}, and lacks {sorted(here - there) or 'nothing'}"
        )
    for ours, theirs in zip(expected, held, strict=True):
        if ours != theirs:
            raise ValueError(
                f"expected a state of this learner and data set in {path}, got another: {ours['place']} is "
                f"{theirs['dtype']} {theirs['shape']} there, {ours['dtype']} {ours['shape']} here"
            )
    leaves = [_from_numpy(array, leaf) for array, leaf in zip(arrays, held, strict=True)]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def _template(learner: ActiveLearner, dataset: Dataset, held: dict[str, dict], path: str | Path) -> LoopState:
    """The structure, shapes and dtypes that the state should have, with the room for labels that the file has."""
    labels = dataset.pool_labels if dataset.pool_labels is not None else dataset.test_labels
    if labels is None and ".pool.labels" in held:
        _, *shape = held[".pool.labels"]["shape"]
        labels = jax.ShapeDtypeStruct((1, *shape), jnp.dtype(held[".pool.labels"]["dtype"]))
    if labels is None:
        raise ValueError(
            f"expected pool_labels or test_labels, which give the shape of a label, to read {path}, got neither"
        )
    some = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((1, *leaf.shape[1:]), leaf.dtype), labels)
    init = lambda key, labels: learner.init(key, dataset._replace(pool_labels=labels))
    size = num_points(dataset.pool_inputs)
    full = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((size, *leaf.shape[1:]), leaf.dtype), some)
    template = jax.eval_shape(init, jax.random.key(0), full)
    wanted, budget = held.get(".pool.indices", {"shape": [0]})["shape"][0], template.pool.indices.shape[0]
    more = jax.eval_shape(lambda state: learner.extend(state, 1), template)
    batch_size = more.pool.indices.shape[0] - budget
    if wanted < budget or (wanted - budget) % batch_size:
        raise ValueError(
            f"expected a state with room for {budget} labels, or for more by whole batches of {batch_size}, in {path}, "
            f"got room for {wanted}: build the learner as before, then use learner.extend"
        )
    if wanted == budget:
        return template
    return jax.eval_shape(lambda state: learner.extend(state, (wanted - budget) // batch_size), template)


def _read(path: Path) -> tuple[dict[str, Any], list[np.ndarray]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            description = json.loads(archive[HEADER].tobytes())
            arrays = [archive[str(number)] for number in range(len(description["leaves"]))]
    except FileNotFoundError:
        raise
    except (OSError, ValueError, KeyError, EOFError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"expected a state written by bal.save in {path}, got a damaged file or another kind of file"
        ) from error
    if description["version"] != VERSION:
        raise ValueError(
            f"expected a state of version {VERSION} in {path}, got {description['version']}: "
            "read it with the release of bal that wrote it"
        )
    return description, arrays


def _is_key(leaf: PyTree) -> bool:
    return jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _describe(leaf: PyTree) -> dict[str, Any]:
    leaf = leaf if hasattr(leaf, "dtype") else np.asarray(leaf)
    return {"shape": list(leaf.shape), "dtype": str(leaf.dtype)}


def _to_numpy(leaf: PyTree) -> np.ndarray:
    if hasattr(leaf, "dtype") and _is_key(leaf):
        return np.asarray(jax.random.key_data(leaf))
    array = np.asarray(leaf)
    # NumPy's format does not have bfloat16 and similar dtypes: their bits are stored.
    return array if array.dtype.kind in "biufc" else array.view(f"u{array.dtype.itemsize}")


def _from_numpy(array: np.ndarray, described: dict[str, Any]) -> jax.Array:
    dtype = described["dtype"]
    if dtype in KEY_IMPLEMENTATIONS:
        return jax.random.wrap_key_data(jnp.asarray(array), impl=KEY_IMPLEMENTATIONS[dtype])
    return jnp.asarray(array if array.dtype == jnp.dtype(dtype) else array.view(jnp.dtype(dtype)))
