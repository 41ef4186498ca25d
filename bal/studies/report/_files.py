"""Files beside the page: tables as CSV and LaTeX, pictures as PDF and PNG."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bal.studies._pictures import save_picture
from bal.studies.report._cells import ReportTable
from bal.studies.whole_file import own_folder, whole_file


def write_text(path: Path, text: str) -> None:
    """Write a text, whole or not at all."""
    with whole_file(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_tables(folder: Path, tables: Sequence[ReportTable]) -> None:
    """Each table as ``NAME.csv``, with all of its numbers, and ``NAME.tex``, as it is shown (package booktabs)."""
    own_folder(folder)
    for table in tables:
        text = table.numbers.to_csv(index_label=str(table.numbers.index.name or "strategy"))
        write_text(folder / f"{table.name}.csv", text)
        write_text(folder / f"{table.name}.tex", latex(table))


def latex(table: ReportTable) -> str:
    """A table environment with caption and label."""
    text = table.shown.to_latex(
        escape=True, caption=f"{_escaped(table.title)}. {_escaped(table.note)}", label=f"tab:{table.name}"
    )
    return text.replace("<", r"\textless{}").replace(">", r"\textgreater{}")


def write_picture(folder: Path, name: str, figure: Figure) -> None:
    """A picture as ``NAME.pdf`` and ``NAME.png``."""
    own_folder(folder)
    save_picture(figure, folder / f"{name}.pdf")
    save_picture(figure, folder / f"{name}.png", dpi=300)


def _escaped(text: str) -> str:
    for mark in "%_&#":
        text = text.replace(mark, f"\\{mark}")
    return text
