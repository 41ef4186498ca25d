"""Reads results, and writes the page, its tables and its pictures."""

import base64
import importlib.util
import io
import shlex
from pathlib import Path

import numpy as np

from bal.studies._frames import describe_runs
from bal.studies._metrics import TARGETS, direction, main_metric
from bal.studies._palette import BASELINE
from bal.studies._pictures import MAX_LINES, plot_curves
from bal.studies._screen import show
from bal.studies.report._again import command_of
from bal.studies.report._asked import what_was_asked_for
from bal.studies.report._curves import interactive_curves, interactive_profiles
from bal.studies.report._files import write_picture, write_tables, write_text
from bal.studies.report._of_many import OverDataSets, compare_data_sets
from bal.studies.report._of_one import Curves, tables_of_one
from bal.studies.report._page import Part, render
from bal.studies.report._pictures import rank_diagram
from bal.studies.report._results import Results, read_results
from bal.studies.report._stopping import stopping_tables
from bal.studies.report.settings import Report
from bal.studies.sole_writer import sole_writer
from bal.studies.statistics import areas, curves
from bal.validation import check_choice


def main(report: Report) -> None:
    """Read everything, then write page, tables and pictures."""
    for package in ("jinja2", "plotly"):
        if importlib.util.find_spec(package) is None:
            raise ImportError(f"a report needs the package {package}: pip install 'bal-jax[report]'")
    results = read_results(report.folders)
    metric = _metric(results, report.metric)
    baseline = _baseline(results, report.baseline)
    targets = TARGETS.get(metric, ()) if report.targets is None else report.targets
    kept, left_out = zip(*(_complete(each, metric, baseline) for each in results), strict=True)
    output = report.folders[0] / "report" if report.output is None else report.output
    parts = [
        _part(each, by_strategy, sentences, metric, baseline, targets, report.data_dir)
        for each, by_strategy, sentences in zip(results, kept, left_out, strict=True)
    ]
    names = [each.name for each in results]
    over = compare_data_sets(names, kept, metric, baseline)
    page = _page(report, parts, over, metric, baseline)
    with sole_writer(output):
        for each, part in zip(results, parts, strict=True):
            own = output if len(results) == 1 else output / "".join(c if c.isalnum() else "_" for c in each.name)
            tables = part.tables + ([part.asked.table] if part.asked.table else [])
            write_tables(own / "tables", tables)
            write_picture(own / "pictures", "learning_curves", plot_curves(each.metrics, metric, baseline=baseline))
        if over is not None:
            write_tables(output / "tables", over.tables)
            write_picture(output / "pictures", "critical_difference", rank_diagram(over.ranks))
        write_text(output / "report.html", page)
    show(f"The page is {output / 'report.html'}; tables and pictures are in {output}")


def _metric(results: list[Results], asked: str | None) -> str:
    common = [
        str(name)
        for name in results[0].metrics["metric"].unique()
        if direction(str(name)) and all((each.metrics["metric"] == name).any() for each in results)
    ]
    if asked is None:
        return main_metric(common)
    check_choice("the metric", asked, common)
    return asked


def _baseline(results: list[Results], asked: str | None) -> str:
    names = results[0].strategies
    if asked is None:
        return BASELINE if BASELINE in names else names[0]
    for each in results:
        check_choice(f"the baseline in {each.folder}", asked, each.strategies)
    return asked


def _complete(results: Results, metric: str, baseline: str) -> tuple[Curves, list[str]]:
    """Curves without undefined values, and a sentence on each strategy that is left out."""
    by_strategy = curves(results.metrics, metric)
    whole = {name: runs for name, runs in by_strategy.items() if np.isfinite(runs.to_numpy()).all()}
    missing = [name for name in by_strategy if name not in whole]
    if baseline not in whole:
        raise ValueError(
            f"expected {metric} of the baseline {baseline} in every run of {results.folder}, got undefined or missing "
            "values: choose another baseline or metric"
        )
    areas(whole)
    return whole, [
        f"{name} is in no table: its {metric} is undefined in a run, or a run has fewer rounds." for name in missing
    ]


def _part(
    results: Results,
    by_strategy: Curves,
    left_out: list[str],
    metric: str,
    baseline: str,
    targets,
    data_dir: Path | None,
) -> Part:
    others = [str(name) for name in sorted(results.metrics["metric"].unique()) if name != metric]
    return Part(
        name=results.name,
        described=f"{describe_runs(results.metrics)}; {results.folder}.",
        left_out=left_out,
        curve=interactive_curves(curves(results.metrics, metric), metric, baseline),
        has_hidden=len(results.strategies) > MAX_LINES + 1,
        other_curves={name: interactive_curves(curves(results.metrics, name), name, baseline) for name in others},
        tables=tables_of_one(by_strategy, metric, baseline, targets, results.seconds)
        + stopping_tables(results, metric),
        asked=what_was_asked_for(results, data_dir),
        command=command_of(results),
        versions=results.versions,
        settings=results.settings or {},
    )


def _page(report: Report, parts: list[Part], over: OverDataSets | None, metric: str, baseline: str) -> str:
    flags = [("--baseline", report.baseline), ("--metric", report.metric), ("--data-dir", report.data_dir)]
    given = [word for flag, value in flags if value is not None for word in (flag, str(value))]
    given += [] if report.targets is None else ["--targets", *map(str, report.targets)]
    given += [] if report.output is None else ["--output", str(report.output)]
    better = f"{metric.replace('_', ' ')} ({direction(metric)})"
    diagram, ranks, profiles = "", "", ""
    if over is not None:
        buffer = io.BytesIO()
        rank_diagram(over.ranks).savefig(buffer, format="png", dpi=150, metadata={"Software": None})
        diagram = base64.b64encode(buffer.getvalue()).decode()
        ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in over.ranks.mean_ranks.items())
        profiles = interactive_profiles(over.scores, metric, baseline) if over.scores else ""
    return render(
        title=f"Active learning: {', '.join(part.name for part in parts)}",
        summary=f"Strategies are compared by {better}; the baseline is {baseline}.",
        parts=parts,
        over=[] if over is None else over.tables,
        diagram=diagram,
        ranks=ranks,
        profiles=profiles,
        command=shlex.join(["bal", "report", *map(str, report.folders), *given]),
    )
