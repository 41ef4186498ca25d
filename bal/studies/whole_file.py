"""Files are written whole or not at all, and never through a symbolic link."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Write a file under another name, which replaces the file once all of it is on the disk.

    An interruption or a full disk leaves the file as it was. A symbolic link of that name is replaced; the file that it
    points to is not touched.

    Args:
      path: of the file.

    Yields:
      The path to write to, in the same folder and with the same suffix.

    Raises:
      OSError: the file cannot be written; the message has its path and the reason.
    """
    partial = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        partial.unlink(missing_ok=True)  # left by a process that was killed, or a link
        yield partial
        with open(partial, "rb") as written:
            os.fsync(written.fileno())
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(f"expected to write {path}, got {reason}: nothing was overwritten") from error
    finally:
        partial.unlink(missing_ok=True)


def own_folder(path: Path) -> Path:
    """Make a folder inside of a results folder.

    Raises:
      ValueError: the name is taken by a file or by a symbolic link, which would lead writes somewhere else.
    """
    if path.is_symlink() or (path.exists() and not path.is_dir()):
        kind = "a symbolic link" if path.is_symlink() else "a file"
        raise ValueError(f"expected {path} to be a folder, got {kind}: remove it, or choose another output")
    path.mkdir(parents=True, exist_ok=True)
    return path
