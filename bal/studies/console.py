"""The commands ``bal compare``, ``bal report`` and ``bal list``."""

import inspect
import re
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import tyro
from rich.table import Table

import bal
from bal.studies import compare, sweep
from bal.studies._programs import keep_programs
from bal.studies._screen import show
from bal.studies.command import in_one_sentence
from bal.studies.learners import NETWORKS
from bal.studies.models import FACTORIES
from bal.studies.report import settings as report

REGISTERED: dict[str, Mapping[str, Callable[..., Any]]] = {
    "strategies": bal.strategies.STRATEGIES,
    "posteriors": FACTORIES,
    "networks": NETWORKS,
    "datasets": bal.datasets.OFFLINE,
}


@dataclass(frozen=True)
class Listing:
    """List the names that the command line accepts, each with a short description."""

    kind: tyro.conf.Positional[Literal["all", "strategies", "posteriors", "networks", "datasets"]] = "all"
    """What to list."""


def main() -> None:
    """Run the command that the command line names."""
    of_compare = tyro.conf.subcommand("compare", description=f"{compare.__doc__}\n\n{_names()}", prefix_name=False)
    of_report = tyro.conf.subcommand("report", description=report.__doc__, prefix_name=False)
    of_list = tyro.conf.subcommand("list", prefix_name=False)
    command: sweep.Comparison | report.Report | Listing = tyro.cli(
        Annotated[sweep.Comparison, of_compare] | Annotated[report.Report, of_report] | Annotated[Listing, of_list],  # type: ignore[arg-type]
        prog="bal",
        description="Bayesian active learning in JAX. bal --version prints the version.",
    )
    if isinstance(command, sweep.Comparison):
        keep_programs()
        in_one_sentence(partial(sweep.main, command))
    elif isinstance(command, report.Report):
        # With pandas, SciPy and Matplotlib, for which the other commands do not wait.
        from bal.studies.report.command import main as write_report

        in_one_sentence(partial(write_report, command), after_interruption="the same command starts again")
    else:
        list_names(command)


def list_names(listing: Listing) -> None:
    """Print every name of a kind with the first line of its docstring."""
    for kind, known in REGISTERED.items():
        if listing.kind in ("all", kind):
            table = Table("name", "description", title=kind, title_justify="left")
            for name, factory in sorted(known.items()):
                table.add_row(name, summary(factory))
            show(table)


def summary(factory: Callable[..., Any]) -> str:
    """The first line of a docstring, without markup and the reference to another function, and what a name fixes."""
    function, given = (factory.func, factory.keywords) if isinstance(factory, partial) else (factory, {})
    line = (inspect.getdoc(function) or "").partition("\n")[0]
    line = re.sub(r"; see :func:`[^`]*`", "", line).replace("``", "")
    # Two names may be one function with different arguments.
    return " ".join([line, *(f"Here {name}={value!r}." for name, value in given.items())])


def _names() -> str:
    """All names, for ``--help``."""
    lines = (f"{kind}: {', '.join(sorted(known))}" for kind, known in REGISTERED.items())
    return "\n\n".join(textwrap.fill(line, width=100) for line in lines)
