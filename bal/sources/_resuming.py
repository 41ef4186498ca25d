"""What passes over a pool on disk have computed, kept in a folder so that a round that was interrupted continues."""

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import jax
import numpy as np

SECONDS_A_NOTE = 5.0  # between notes of how far a pass is: what is computed since is lost
RECORD = "pass.json"


class Kept:
    """The results of one pass, block by block: in memory, or in files."""

    def __init__(self, leaves: list[np.ndarray], folder: Path | None = None, digest: str = "", done: int = 0):
        self.leaves, self.folder, self.digest, self.done = leaves, folder, digest, done
        self.noted = time.monotonic()

    def note(self, done: int, *, last: bool = False) -> None:
        """So many blocks are in ``leaves``."""
        self.done = done
        if self.folder is None or (not last and time.monotonic() - self.noted < SECONDS_A_NOTE):
            return
        for leaf in self.leaves:
            leaf.flush()  # type: ignore[attr-defined]
        partial = self.folder / f".{RECORD}"
        partial.write_text(json.dumps({"digest": self.digest, "done": done}))
        os.replace(partial, self.folder / RECORD)
        self.noted = time.monotonic()

    def results(self) -> list[np.ndarray]:
        """The leaves in memory."""
        return self.leaves if self.folder is None else [np.array(leaf) for leaf in self.leaves]


class _Folder:
    """The passes of one context, in their order."""

    def __init__(self, path: Path):
        self.path, self.begun = path, list[Path]()

    def begin(self, shapes: Sequence[jax.ShapeDtypeStruct], digest: str, shared: bool) -> Kept:
        # Processes that share a pass may share the folder, too.
        folder = self.path / f"pass_{len(self.begun)}{f'_process_{jax.process_index()}' if shared else ''}"
        self.begun.append(folder)
        files, done = [folder / f"{number}.npy" for number in range(len(shapes))], 0
        if (folder / RECORD).exists():
            done = self._done(folder, digest)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            for file, leaf in zip(files, shapes, strict=True):
                # NumPy's format does not have dtypes such as bfloat16: their bytes are stored.
                np.lib.format.open_memmap(file, "w+", np.uint8, (*leaf.shape, leaf.dtype.itemsize)).flush()
                if hasattr(os, "posix_fallocate"):  # a full disk is an error now, instead of the end of the process
                    with open(file, "r+b") as begun:
                        os.posix_fallocate(begun.fileno(), 0, file.stat().st_size)
        leaves = [
            np.lib.format.open_memmap(file, "r+").view(leaf.dtype).reshape(leaf.shape)
            for file, leaf in zip(files, shapes, strict=True)
        ]
        return Kept(leaves, folder, digest, done)

    def remove(self) -> None:
        """What passes have written; other files of the folder stay."""
        for folder in self.begun:
            shutil.rmtree(folder)
        with suppress(OSError):  # it holds something else, or there was no pass
            self.path.rmdir()

    def _done(self, folder: Path, digest: str) -> int:
        try:
            record = json.loads((folder / RECORD).read_text())
            other, done = record["digest"] != digest, int(record["done"])
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(
                f"expected passes of a round in {self.path}, got a damaged {RECORD}: delete the folder to begin anew"
            ) from error
        if other:
            raise ValueError(
                f"expected passes of this round in {self.path}, got those of another model, pool, strategy or key: "
                "delete the folder to begin them anew"
            )
        return done


_folder: ContextVar[_Folder | None] = ContextVar("folder", default=None)


@contextmanager
def resuming(path: str | Path) -> Iterator[None]:
    """Keep what passes over a pool on disk compute, so that the same calls continue them after an interruption.

    Passes of this context write their results to files as they go. If the process ends before the context does, another
    one with the same calls in this context (``ask`` with the same key, state and data) reads no row again whose result
    was written; the model is fitted again. The files are removed when the context ends without an error.

    Args:
      path: a folder for one round of one run.

    Raises:
      ValueError: (where the pool is read) passes of another model, pool, strategy or key, or damaged ones.
      OSError: (there too) no room on the disk for the results.

    Example:
      >>> import tempfile
      >>> from bal import Source, stream
      >>> folder, pool = Path(tempfile.mkdtemp()) / "passes", Source(np.arange(6.0)[:, None])
      >>> with resuming(folder):
      ...     doubled = stream(lambda x: 2 * x[:, 0], pool, chunk_size=2)
      >>> doubled.tolist(), folder.exists()
      ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], False)
    """
    folder = _Folder(Path(path))
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)
    folder.remove()


def begin_pass(shapes: Sequence[jax.ShapeDtypeStruct], digest: Callable[[], Any], shared: bool) -> Kept:
    """Room for the results of a pass, with those of an earlier process.

    Args:
      shapes: of the results.
      digest: of everything that decides them.
      shared: by all processes, each of which keeps its own.
    """
    folder = _folder.get()
    if folder is None:
        return Kept([np.empty(leaf.shape, leaf.dtype) for leaf in shapes])
    return folder.begin(shapes, digest(), shared)
