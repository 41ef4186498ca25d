"""Who runs the cells of a grid: processes of this machine, jobs of a Slurm cluster, or tasks of a Ray cluster."""

import importlib.util
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol, runtime_checkable

from bal.validation import check_count

KINDS = "here, processes:N, slurm:option=value,... or ray:ADDRESS"
PACKAGES = {"slurm": "submitit", "ray": "ray"}
SECONDS_A_LOOK = 1.0  # of a process at whether its parent is there


@runtime_checkable
class Pending(Protocol):
    """What was submitted."""

    def done(self) -> bool:
        """Whether it has ended, well or not."""

    def result(self) -> Any:
        """What it returned; raises what it raised."""


@runtime_checkable
class Submits(Protocol):
    """An executor: of ``concurrent.futures``, submitit or another library."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Pending:
        """Begin a call in another process, which gets the function and its arguments by pickle."""


class Processes(Executor):
    """Processes of this machine, started anew (not forked). One that dies takes no other with it.

    Args:
      count: how many there are at a time; each is started when it is first needed.
    """

    def __init__(self, count: int):
        check_count("the number of processes", count)
        self.threads = ThreadPoolExecutor(count, thread_name_prefix="bal-cell")
        self.idle: SimpleQueue = SimpleQueue()
        self.running: set[int] = set()
        self.cancelled = False
        for _ in range(count):
            self.idle.put(None)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:
        return self.threads.submit(self._run, fn, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes; with ``cancel_futures`` at once, whatever they do."""
        self.cancelled = cancel_futures
        if cancel_futures:
            for number in list(self.running):
                os.kill(number, signal.SIGTERM)
        self.threads.shutdown(wait, cancel_futures=cancel_futures)
        while not self.idle.empty():
            if (pool := self.idle.get()) is not None:
                pool.shutdown(wait)

    def _run(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        pool, number = self.idle.get(), -1
        try:
            if pool is None:
                pool = ProcessPoolExecutor(
                    1, multiprocessing.get_context("spawn"), initializer=_begin, initargs=(os.getpid(),)
                )
            number = pool.submit(os.getpid).result()
            self.running.add(number)
            if self.cancelled:  # while the process was starting
                raise CancelledError
            return pool.submit(fn, *args, **kwargs).result()
        except BrokenProcessPool:
            pool = None
            raise ChildProcessError(
                "its process was killed, or ran out of memory; the same command continues from its last finished round"
            ) from None
        finally:
            self.running.discard(number)
            self.idle.put(pool)


def _begin(parent: int) -> None:
    """Leave Ctrl-C, which reaches every process of a terminal, to the parent, and do not outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(SECONDS_A_LOOK)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Ray:
    """Tasks of a Ray cluster, whose machines see the same folders."""

    def __init__(self, address: str | None):
        import ray

        self.ray, self.began = ray, not ray.is_initialized()
        if self.began:
            ray.init(address=address, include_dashboard=False, log_to_driver=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future:
        # A process that died is not replaced behind the back of the grid, which says so.
        return self.ray.remote(max_retries=0)(fn).remote(*args).future()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if self.began:
            self.ray.shutdown()


@contextmanager
def opened(executor: str | Submits, output: Path) -> Iterator[Submits]:
    """An executor by its name, which ends with the context; or one that was given, which its owner ends.

    Args:
      executor: a name that passed :func:`check_executor`, but ``here``; or an executor.
      output: folder of the results, where Slurm's jobs write what they print.

    Raises:
      ValueError: options that the executor does not take.
    """
    if not isinstance(executor, str):
        yield executor
        return
    kind, _, options = executor.partition(":")
    if kind == "slurm":
        yield _slurm(options, output)
        return
    ours: Any = Ray(options or None) if kind == "ray" else Processes(int(options))
    try:
        yield ours
    except BaseException:
        ours.shutdown(cancel_futures=True)
        raise
    ours.shutdown()


def check_executor(executor: str) -> None:
    """Raise if an executor has no such name, or if its package is missing.

    Raises:
      ValueError: an unknown name, no number of processes, or an option without a value.
      ImportError: a package is missing.
    """
    kind, _, options = executor.partition(":")
    if kind in PACKAGES:
        if importlib.util.find_spec(PACKAGES[kind]) is None:
            raise ImportError(f"--executor {kind} needs the package {PACKAGES[kind]}: pip install 'bal-jax[{kind}]'")
        wrong = [each for each in filter(None, options.split(",")) if "=" not in each]
        if kind == "slurm" and wrong:
            raise ValueError(f"expected options of --executor slurm as option=value,..., got {wrong[0]!r}")
    elif executor != "here" and not (kind == "processes" and options.isdecimal() and int(options)):
        raise ValueError(f"expected --executor to be {KINDS}, got {executor!r}")


def _slurm(options: str, output: Path) -> Submits:
    import submitit

    values = dict(each.split("=", 1) for each in filter(None, options.split(",")))
    given = {name: int(value) if value.isdecimal() else value for name, value in values.items()}
    try:
        jobs = submitit.AutoExecutor(folder=output / ".jobs", cluster=given.pop("cluster", "slurm"))
        jobs.update_parameters(**given)
    except (RuntimeError, NameError, TypeError) as error:
        raise ValueError(f"expected options of submitit in --executor slurm:{options}, got {error}") from error
    return jobs
