"""The report: what is on its page and in its files, from tables that no run is needed for."""

import json
import re
import shlex
import shutil
import subprocess

import numpy as np
import pandas as pd
import pytest

for package in ("tyro", "jinja2", "plotly"):
    pytest.importorskip(package, reason="needs the extra 'report'")

import tyro

from bal.studies import curves
from bal.studies.report import command
from bal.studies.report._again import command_of
from bal.studies.report._asked import class_counts
from bal.studies.report._curves import interactive_curves
from bal.studies.report._pictures import rank_diagram
from bal.studies.report._results import read_results
from bal.studies.settings import EXTENDS, NOT_RECORDED, Settings, flat_values
from bal.studies.statistics import areas, compare_ranks, paired_differences
from tests.studies.frames import metrics_of

NAMES = ("random", "bald", "<b>mine</b>")
SETTINGS = Settings().with_values(dataset="wine", hidden_sizes=(8, 8), normalise=True, num_steps=50)


def values_of(seed):
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(0.4 + 0.1 * k, 0.6 + 0.1 * k, (4, 3)).round(3).tolist() for k, name in enumerate(NAMES)}


def make_folder(folder, seed=0, dataset="wine"):
    """A folder as bal compare leaves it, without checkpoints."""
    folder.mkdir()
    metrics = pd.concat([metrics_of(values_of(seed)), metrics_of(values_of(seed + 1), "nll")])
    metrics.assign(dataset=dataset).to_parquet(folder / "metrics.parquet")
    rows = [(name, seed, 0, rank, (rank + seed) % 9, 0.0) for name in NAMES for seed in range(4) for rank in range(5)]
    asked = pd.DataFrame(rows, columns=["strategy", "seed", "round", "rank", "index", "score"])
    asked.to_parquet(folder / "acquisitions.parquet")
    seconds = [(name, 0, 4, done, 0.5 + done, 7 * 2**20) for name in NAMES for done in range(3)]
    columns = ["strategy", "first_seed", "num_seeds", "round", "seconds", "memory"]
    pd.DataFrame(seconds, columns=columns).to_parquet(folder / "seconds.parquet")
    held = {name: value for name, value in flat_values(SETTINGS).items() if name not in (*EXTENDS, *NOT_RECORDED)}
    (folder / "settings.json").write_text(json.dumps(held))
    return folder


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Two result folders, and the folder of the report on both."""
    place = tmp_path_factory.mktemp("reported")
    folders = (make_folder(place / "first"), make_folder(place / "second", 5))
    command.main(command.Report(folders, targets=(0.6,), output=place / "out"))
    return folders, place / "out"


def test_the_page_needs_nothing_but_itself(reported):
    page = (reported[1] / "report.html").read_text()
    own = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<link|@import|(src|href)\s*=\s*[\"'](?!data:|#)", own)
    # A name is text wherever it stands.
    assert "<b>mine" not in own
    assert "&lt;b&gt;mine" in own
    assert page.count('Plotly.newPlot("curve') == 4
    assert page.count('Plotly.newPlot("profiles"') == 1
    assert page.index("plotly.js") < page.index('Plotly.newPlot("curve')


def test_the_page_has_every_table_and_the_command(reported):
    page = (reported[1] / "report.html").read_text()
    for title in (
        "Area under the curve of test accuracy", "Paired differences to random", "Every strategy against every other",
        "Penalty matrix", "Labels saved against random", "Labels to a target", "Seconds and memory", "7 MiB",
        "Performance profiles",
        "Classes of the points asked for", "Mean areas and ranks over data sets", "All data sets together",
        "Pairs over data sets", "How to run it again", "All settings",
    ):  # fmt: skip
        assert title in page, title
    assert "--dataset wine --normalise --hidden-sizes 8 8 --num-steps 50" in page
    assert f"bal report {reported[0][0]}" in page


def test_files_hold_the_numbers_of_the_statistics(reported):
    folders, output = reported
    scores = areas(curves(read_results(folders)[0].metrics, "accuracy"))
    expected = paired_differences(scores, "random")
    written = pd.read_csv(output / "first" / "tables" / "differences.csv", index_col=0)
    np.testing.assert_allclose(written[expected.columns], expected)
    text = (output / "first" / "tables" / "differences.tex").read_text()
    assert r"\toprule" in text
    assert r"\textless{}b\textgreater{}mine" in text
    for name in ("areas", "pairs", "penalties", "savings", "labels_to_target", "seconds", "classes"):
        assert (output / "second" / "tables" / f"{name}.csv").exists()
    ranks = pd.read_csv(output / "tables" / "ranks.csv", index_col=0)
    assert ranks.loc["mean rank"].sum() == pytest.approx(6)
    for path in ("first/pictures/learning_curves", "pictures/critical_difference"):
        assert (output / f"{path}.pdf").read_bytes().startswith(b"%PDF")
        assert (output / f"{path}.png").read_bytes().startswith(b"\x89PNG")


def test_the_same_results_give_the_same_page(reported, tmp_path):
    folders, output = reported
    page, picture = output / "report.html", output / "first" / "pictures" / "learning_curves.pdf"
    before = page.read_bytes(), picture.read_bytes()
    command.main(command.Report(folders, targets=(0.6,), output=output))
    assert (page.read_bytes(), picture.read_bytes()) == before


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_a_browser_draws_the_curves_without_a_network(reported):
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000", "--dump-dom"]
    page = f"file://{reported[1] / 'report.html'}"
    dom = subprocess.run(["chromium", *flags, page], capture_output=True, text=True, check=True, timeout=120).stdout
    assert dom.count("js-plotly-plot") >= 4
    assert dom.count('class="main-svg"') >= 4


def test_the_command_gives_the_settings_back(reported):
    results = read_results(reported[0])[0]
    words = shlex.split(command_of(results))
    assert words[:2] == ["bal", "compare"]
    again = tyro.cli(Settings, args=words[2:])
    expected = SETTINGS.with_values(strategies=NAMES, num_seeds=4, num_rounds=3, output=results.folder)
    assert again == expected


def test_a_strategy_with_an_undefined_value_is_left_out_of_the_tables_and_said(tmp_path):
    folder = make_folder(tmp_path / "results")
    metrics = pd.read_parquet(folder / "metrics.parquet")
    metrics.loc[(metrics["strategy"] == "bald") & (metrics["seed"] == 1), "value"] = np.nan
    metrics.to_parquet(folder / "metrics.parquet")
    command.main(command.Report((folder,)))
    assert "bald is in no table: its accuracy is undefined" in (folder / "report" / "report.html").read_text()
    assert "bald" not in (folder / "report" / "tables" / "areas.csv").read_text()
    with pytest.raises(ValueError, match="accuracy of the baseline bald in every run"):
        command.main(command.Report((folder,), baseline="bald"))


def test_a_folder_without_settings_says_so(tmp_path):
    folder = make_folder(tmp_path / "results")
    (folder / "settings.json").unlink()
    (folder / "seconds.parquet").unlink()
    command.main(command.Report((folder,), metric="nll", baseline="bald"))
    page = (folder / "report" / "report.html").read_text()
    assert "Settings were not recorded." in page
    assert "Paired differences to bald" in page
    assert "lower is better" in page


def test_classes_are_counted_by_run():
    asked = pd.DataFrame({"strategy": ["a"] * 4 + ["b"] * 2, "seed": [0, 0, 1, 1, 0, 0], "index": [0, 1, 2, 0, 3, 3]})
    table = class_counts(asked, np.array([0, 0, 1, 2]))
    assert table is not None
    assert table.numbers.to_numpy().tolist() == [[2, 1, 1], [1.5, 0.5, 0], [0, 0, 2]]
    assert table.shown.loc["a"].tolist() == ["1.5 (75 %)", "0.5 (25 %)", "0.0 (0 %)"]
    assert class_counts(asked, np.arange(30)) is None


def test_eight_curves_are_shown_at_first_and_all_can_be():
    values = {f"rule {k}": [(0.5, 0.6, 0.7 + 0.01 * k)] * 2 for k in range(11)}
    figure = json.loads(interactive_curves(curves(metrics_of(values)), "accuracy", "rule 0"))
    lines = [trace for trace in figure["data"] if "name" in trace]
    assert len(lines) == 11
    assert [line["name"] for line in lines if line["visible"] is True] == [
        "rule 0", *(f"rule {k}" for k in range(10, 3, -1)),
    ]  # fmt: skip
    assert len({(line["line"]["color"], line["line"]["dash"]) for line in lines}) == 11


def test_the_rank_diagram_has_a_bar_for_each_group():
    scores = pd.DataFrame(np.tile([0.9, 0.8, 0.7, 0.6], (20, 1)), columns=list("abcd"))
    ranks = compare_ranks(scores)
    (ax,) = rank_diagram(ranks).axes
    thick = [line.get_xdata() for line in ax.lines if line.get_linewidth() == 4]
    assert np.allclose(thick, [[0.96, 2.04], [1.96, 3.04], [2.96, 4.04]])
    assert "a (1.00)" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: shutil.rmtree(folder), "a folder of results, got no folder"),
        (lambda folder: (folder / "metrics.parquet").unlink(), "got one without metrics.parquet: .*run bal compare"),
        (lambda folder: (folder / "metrics.parquet").write_text("no"), "a Parquet file, got something else"),
        (lambda folder: (folder / "settings.json").write_text("{"), "settings as JSON, got a damaged file"),
        (lambda folder: pd.DataFrame({"a": [1]}).to_parquet(folder / "seconds.parquet"), "got no strategy, num_seeds"),
        (
            lambda folder: metrics_of({"a": [(1, 2, 3)] * 2, "b": [(1, 2, 3)]}).to_parquet(folder / "metrics.parquet"),
            r"the same seeds for paired differences, got \[0\] and \[0, 1\]",
        ),
        (lambda folder: metrics_of({}).to_parquet(folder / "metrics.parquet"), "got an empty table"),
    ],
)
def test_a_folder_that_is_no_result_is_refused_in_a_sentence(tmp_path, spoil, message):
    folder = make_folder(tmp_path / "results")
    spoil(folder)
    with pytest.raises(ValueError, match=message):
        command.main(command.Report((folder,)))
    assert not (folder / "report").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"metric": "rmse"}, "the metric to be one of 'accuracy', 'nll', got 'rmse'"),
        ({"baseline": "bold"}, "the baseline in .* to be one of 'bald', got 'bold'"),
        ({"folders": ()}, "at least one folder of results"),
    ],
)
def test_unknown_names_are_refused_in_a_sentence(tmp_path, settings, message):
    folder = make_folder(tmp_path / "results")
    with pytest.raises(ValueError, match=message):
        command.main(command.Report(**{"folders": (folder,), **settings}))
    with pytest.raises(ValueError, match="each folder once"):
        command.main(command.Report((folder, folder)))
