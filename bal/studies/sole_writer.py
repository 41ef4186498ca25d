"""One process at a time writes a results folder: two would overwrite each other's checkpoints."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a folder, which is made where it is missing, as the only process that writes it.

    The operating system lets go of the lock when the process ends, however it ends. The thread that holds a folder may
    hold it again: a command holds it from its first picture to its last table, and so does the grid that it runs.

    Args:
      folder: of results; ``.lock`` and ``.writer``, which names the process, are written into it.

    Raises:
      ValueError: another process holds it; names that process. Nobody is waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock, writer = FileLock(folder.resolve() / ".lock", is_singleton=True), folder / ".writer"
    try:
        held = lock.acquire(blocking=False)
    except Timeout:
        other = writer.read_text() if writer.exists() else "another process"
        raise ValueError(
            f"expected no other writer of {folder}, got {other}: wait until it ends, end it, or choose another output"
        ) from None
    with held:
        writer.write_text(f"process {os.getpid()} on {socket.gethostname()}")
        try:
            yield
        finally:
            if lock.lock_counter == 1:  # not where this thread goes on holding it
                writer.unlink(missing_ok=True)
