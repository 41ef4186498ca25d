"""What is kept in ``experiments/results`` can be drawn again, and is what ``experiments/README.md`` and the first
screen state.
"""

import io
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from rich.console import Console

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from experiments import redraw
from experiments.redraw import RESULTS, STUDIES, Choice
from experiments.reproductions.papers import PAPERS
from experiments.tables import results as of_tables

# section -> studies, and figures in it that are not of their kept results
SECTIONS = {
    "Copies in the pool": (("redundancy",), ()),
    "Learning loss": (("learning_loss",), ()),
    "Automatic labelling": (("autolabel",), ()),
    "BatchBALD on copies, one factor at a time": (("batch_bald",), ()),
    "Regression": (("regression",), ()),
    "Segmentation": (("segmentation",), ()),
    "Detection": (("detection",), ("+.032 ± .020",)),  # of an earlier run
    "Rules of any task": (("task_agnostic",), ()),
    # Looked for after the results: strategies, and posteriors, compared with one another.
    "Tables": (
        ("tables", "numbers", "ceiling", "calibration"),
        (".002 ± .002", ".000 ± .002", "-.001 ± .003")
        + (".062 ± .013", "+.018 ± .022")
        # A temperature, or training on its labels.
        + (".064 ± .035", ".067 ± .035", ".039 ± .052", ".019 ± .071", ".016 ± .071", ".243 ± .137"),
    ),
    # The ensemble less MC dropout, which are in two folders.
    "Fashion-MNIST": (("fashion", "fashion_ensemble", "fashion_to_300"), ("+.014 ± .003", "-.035 ± .011")),
    # Areas less random's of what the papers claim nothing of.
    "Papers run again": (
        tuple(PAPERS),
        ("+.041 ± .014", "+.037 ± .015", "+.038 ± .009", "+.020 ± .016", "+.033 ± .021", "+.003 ± .026"),
    ),
    "Joint predictions": (("testbed",), ()),
    # With --follow code, and in PyTorch.
    "CDALBench": (("cdalbench",), (".866 ± .131", ".911 ± .143", ".906 ± .036", ".956 ± .010", ".891 ± .031")),
    "Text": (("text",), ()),
    "Rare classes": (("rare",), ()),
    "Depth": (("depth",), ()),
    "Wrong labels": (("noisy",), ()),
    "When to stop": (("stopping",), ()),
}
WITHOUT_INTERVALS = {"randomness"}
NUMBER = r"[+-]?\d*\.?\d+"
WITH_INTERVAL = re.compile(rf"({NUMBER}) (?:± ({NUMBER})|\[({NUMBER}), ({NUMBER})\]|\(({NUMBER}) to ({NUMBER})\))")


def as_lines(parts):
    """Tables and sentences as they are printed on a wide screen."""
    console = Console(width=1000, file=io.StringIO())
    for part in parts:
        console.print(part, soft_wrap=True, markup=False)
    return console.file.getvalue().lower().splitlines()


def figures_in(text):
    """Every number that stands before an interval, with that: each number as it stands there."""
    return [tuple(part for part in found.groups() if part) for found in WITH_INTERVAL.finditer(text)]


def states(stated, printed):
    """Whether the first numbers are the second, rounded if these have more digits."""

    def is_rounded(ours, theirs):
        decimals, more = (len(number.partition(".")[2]) for number in (ours, theirs))
        half = 0.5 * 10**-decimals if more > decimals else 0
        return abs(float(ours) - float(theirs)) <= half + 1e-9

    return len(stated) == len(printed) and all(map(is_rounded, stated, printed))


def about(names, lines):
    """The lines with one of the names in the first two cells, or before a colon."""
    beginnings = [" ".join(re.split("[│:]", line.strip(" │"))[: 2 if "│" in line else 1]) for line in lines]
    return [line for line, beginning in zip(lines, beginnings, strict=True) if names & words(beginning)]


def words(text):
    """Names in a text, such as "mean_field", also where it has "mean field"."""
    return {
        name for form in (text, text.strip().replace(" ", "_")) for name in re.findall(r"[a-z_][a-z_0-9]{3,}", form)
    }


def not_printed(said, lines):
    """The figures of a section that are on no printed line; those in a row of a table on none about its first cell."""
    missing = set()
    for line in said.replace("*", "").lower().splitlines():
        names = words(line.split("|")[1].partition(":")[0]) if line.startswith("|") else set()
        printed = [each for text in (about(names, lines) if names else lines) for each in figures_in(text)]
        missing |= {stated for stated in figures_in(line) if not any(states(stated, each) for each in printed)}
    return missing


@pytest.fixture(scope="module")
def redrawn(tmp_path_factory):
    """The folder, and what is printed of each study.

    What takes longest is left out, since other tests do it: saving pictures, and ranks over tables.
    """
    folder, shown = tmp_path_factory.mktemp("redrawn"), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
        patch.setattr(of_tables, "compare_data_sets", lambda *_: None)
        patch.setattr(redraw, "show", lambda name, *parts: shown.update({name: as_lines(parts)}))
        redraw.main(Choice(output=folder))
    return folder, shown


def test_every_kept_study_has_its_pictures_again(redrawn):
    folder, _ = redrawn
    assert {path.name for path in RESULTS.iterdir()} == set(STUDIES)
    drawn = {name: {path.stem for path in (folder / name).rglob("*.png")} for name in STUDIES}
    assert [name for name, pictures in drawn.items() if not pictures] == ["testbed"]
    assert drawn["text"] == {
        "heads",
        *(f"learning_curves_{head}" for head in ("laplace", "mc_dropout", "deep_ensemble")),
    }
    assert drawn["depth"] == {"learning_curves", "sparsification"}
    assert drawn["numbers"] == {"gains", "curves", "curves_nll"}
    assert drawn["calibration"] == {"gains", "curves", "curves_nll", "curves_nll_calibrated"}


def test_every_kept_study_has_a_section():
    in_sections = {name for studies, _ in SECTIONS.values() for name in studies}
    assert in_sections == set(STUDIES) - WITHOUT_INTERVALS - {"demo"}


@pytest.mark.parametrize("section", SECTIONS)
def test_figures_of_the_readme_are_those_of_the_kept_results(section, redrawn):
    studies, others = SECTIONS[section]
    text = (RESULTS.parent / "README.md").read_text()
    (said,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert figures_in(said)
    lines = [line for name in studies for line in redrawn[1][name]]
    assert not_printed(said, lines) == {numbers for other in others for numbers in figures_in(other)}


def test_the_first_screen_shows_the_demo(redrawn):
    rows = re.findall(r"^\| (\w+) \|( \.\d.*)\|$", (RESULTS.parents[1] / "README.md").read_text(), re.MULTILINE)
    assert len(rows) == 4
    for name, cells in rows:
        (printed,) = [line for line in redrawn[1]["demo"] if line.strip(" │").startswith(name)]
        theirs = re.findall(NUMBER, printed)
        del theirs[5:7]  # the area itself and its interval
        assert states(re.findall(NUMBER, cells), theirs), name


def test_figures_are_compared_as_rounded_and_in_their_row():
    assert figures_in("-.017 ± .020, +.02 [+.01, -.03], .9 (.8 to 1.1)") == [
        ("-.017", ".020"), ("+.02", "+.01", "-.03"), (".9", ".8", "1.1")
    ]  # fmt: skip
    lines = ["margin  -0.0173 ± 0.0196", "bald  0.017 ± 0.020"]
    assert not_printed("| **margin** | -.017 ± .020 |\n| bald | .017 ± .020 |", lines) == set()
    assert not_printed("| bald | -.017 ± .020 |\n| margin | .017 ± .020 |", lines) == {
        ("-.017", ".020"),
        (".017", ".020"),
    }
    assert not_printed("-.018 ± .020 or .0170 ± .020", lines) == {("-.018", ".020")}
    rows = ["│ mnist │ power_bald │ 0.03 ± 0.01 │", "bald: 0.04 ± 0.01, above 0.02 ± 0.01 of margin"]
    assert not_printed("| bald: a power | .03 ± .01 |\n| bald | .04 ± .01 |", rows) == {(".03", ".01")}
    assert not_printed("| margin | .02 ± .01 |", rows) == {(".02", ".01")}


def test_other_results_are_not_overwritten(tmp_path):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "metrics.parquet").write_bytes(b"mine")
    with pytest.raises(ValueError, match="expected --output to hold no other results, got .*/text/metrics.parquet"):
        redraw.main(Choice(studies=("depth", "text"), output=tmp_path))
    assert (tmp_path / "text" / "metrics.parquet").read_bytes() == b"mine"
    assert not (tmp_path / "depth").exists()


def test_an_unknown_study_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="expected --studies to be one of .*, got 'mnist'"):
        redraw.main(Choice(studies=("mnist",), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
