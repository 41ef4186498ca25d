"""The page: what it needs, put into its template."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from bal.studies.report._asked import Asked
from bal.studies.report._cells import ReportTable


class Part(NamedTuple):
    """What the page says about one folder."""

    name: str
    described: str
    left_out: list[str]  # sentences on strategies that are not compared
    curve: str  # JSON of a figure
    has_hidden: bool
    other_curves: dict[str, str]  # metric -> JSON of a figure
    tables: list[ReportTable]
    asked: Asked
    command: str
    versions: dict[str, str]
    settings: dict[str, Any]


def render(
    title: str,
    summary: str,
    parts: Sequence[Part],
    over: Sequence[ReportTable],
    diagram: str,
    ranks: str,
    profiles: str,
    command: str,
) -> str:
    """One HTML page that holds all that it shows, so that it opens without a network."""
    from jinja2 import Environment, StrictUndefined
    from plotly.offline import get_plotlyjs

    template = files("bal.studies.report").joinpath("page.html.j2").read_text()
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return environment.from_string(template).render(
        title=title,
        summary=summary,
        parts=[part._replace(curve=_in_script(part.curve), other_curves=_all_in_script(part)) for part in parts],
        over=over,
        diagram=diagram,
        ranks=ranks,
        profiles=_in_script(profiles),
        command=command,
        plotly_js=get_plotlyjs(),
    )


def _in_script(json: str) -> str:
    """JSON that cannot end the script that holds it, whatever the names of strategies."""
    return json.replace("<", "\\u003c")


def _all_in_script(part: Part) -> dict[str, str]:
    return {metric: _in_script(json) for metric, json in part.other_curves.items()}
