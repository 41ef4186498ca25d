"""An append-only journal: one line of JSON an event, on the disk before anything else happens."""

import json
import os
import socket
import warnings
from pathlib import Path
from typing import Any

JOURNAL, LOCK, HOLDER = "journal.jsonl", ".lock", ".holder"
CUT_OFF = "cut off"  # the event that stands after a line that was not written to its end

Event = dict[str, Any]


class Journal:
    """The events of one session, held by one process. Lines are added and never changed."""

    def __init__(self, folder: Path, lock: Any, events: list[Event]):
        self.folder, self.events, self._lock = folder, events, lock
        self._file = (folder / JOURNAL).open("ab")

    def append(self, event: Event) -> None:
        """Write an event; it is on the disk when this returns.

        Raises:
          ValueError: a journal that was closed.
          OSError: the disk is full, or the file cannot be written.
        """
        if self._file.closed:
            raise ValueError(f"expected an open session, got one that was closed: open {self.folder} again")
        self._file.write(json.dumps(event).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self.events.append(event)

    def close(self) -> None:
        """Let another process open it."""
        if not self._file.closed:
            self._file.close()
            (self.folder / HOLDER).unlink(missing_ok=True)
            self._lock.release()


def open_journal(folder: Path, header: Event) -> Journal:
    """Open the journal in a folder, which is made where it is missing.

    Args:
      folder: of the session.
      header: the first event of a new journal; that of an old one must be equal.

    Raises:
      ValueError: a folder that another process holds, that is no session's or that of another learner or data set, or a
        line in the middle that is damaged; nothing was changed.
    """
    from filelock import FileLock, Timeout

    if folder.exists() and not folder.is_dir():
        raise ValueError(f"expected the folder of a session, got the file {folder}: choose another path")
    file = folder / JOURNAL
    if folder.exists() and not file.exists() and {path.name for path in folder.iterdir()} - {LOCK, HOLDER}:
        raise ValueError(f"expected a new folder or that of a session, got {folder} with other files: choose another")
    folder.mkdir(parents=True, exist_ok=True)
    # The session may be closed by another thread than the one that opened it.
    lock = FileLock(folder / LOCK, thread_local=False)
    holder = folder / HOLDER
    try:
        lock.acquire(blocking=False)
    except Timeout:
        other = holder.read_text() if holder.exists() else "another process"
        raise ValueError(
            f"expected no other session on {folder}, got {other}: close that one with session.close(), or end it"
        ) from None
    try:
        events, damage = _read(file) if file.exists() else ([], b"")
        if events:
            _compare(file, events[0], header)
        if damage:
            with file.open("ab") as held:
                held.write(damage)
        journal = Journal(folder, lock, events)
        if not events:
            journal.append(header)
    except BaseException:
        lock.release()
        raise
    holder.write_text(_here())
    return journal


def _here() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _read(file: Path) -> tuple[list[Event], bytes]:
    """The events of a file, and what must be added to it before the next one: a line that was cut off is ended."""
    text = file.read_bytes()
    *lines, last = text.split(b"\n")
    events: list[Event] = []
    damaged = None
    for number, line in enumerate([*lines, *([last] if last else [])], start=1):
        event = _parse(line)
        if event is None:
            damaged = number if damaged is None else damaged
        elif event["event"] == CUT_OFF:
            damaged = None
        elif damaged is not None:
            raise ValueError(f"expected an event in line {damaged} of {file}, got a damaged line: restore the file")
        else:
            events.append(event)
    if damaged is None:
        return events, b"\n" if last else b""
    warnings.warn(
        f"expected {file} to end with a whole line, got one that was cut off, when a process or the computer was "
        f"stopped: that one event is lost, and the {max(len(events) - 1, 0)} before it are there",
        stacklevel=5,
    )
    return events, b"\n" * bool(last) + json.dumps({"event": CUT_OFF}).encode() + b"\n"


def _parse(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:  # also what is no text
        return None
    return event if isinstance(event, dict) and isinstance(event.get("event"), str) else None


def _compare(file: Path, held: Event, header: Event) -> None:
    if held["event"] != header["event"] or held.get("version") != header["version"]:
        raise ValueError(
            f"expected a journal of version {header['version']} in {file}, got {held['event']!r} of version "
            f"{held.get('version')}: open it with the release of bal that wrote it"
        )
    for name in ("learner", "dataset", "key"):
        if held.get(name) != header[name]:
            raise ValueError(
                f"expected the {name} of the session in {file}, {held.get(name)}, got {header[name]}: "
                "choose another path for another session"
            )
