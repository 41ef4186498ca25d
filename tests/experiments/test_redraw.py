"""What is kept in ``experiments/results`` can be drawn again, and is what ``experiments/README.md`` states."""

import io
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from rich.console import Console

pytest.importorskip("filelock", reason="needs the extra 'studies'")

from experiments import redraw
from experiments.redraw import RESULTS, STUDIES, Redrawn

PAPERS = ("gal_2017", "wang_2017", "beluch_2018", "stochastic_2021", "epig_2023")
# section -> studies, and figures in it that are not of their kept results
SECTIONS = {
    "BatchBALD on copies, one factor at a time": (("batch_bald",), ()),
    "Regression": (("regression",), ()),
    "Segmentation": (("segmentation",), ()),
    "Detection": (("detection",), ("+.032 ± .020",)),  # of an earlier run
    "Rules of any task": (("task_agnostic",), ()),
    "Tables": (("tables", "numbers", "ceiling"), (".004 ± .003",)),  # compared with one another after the result
    "Fashion-MNIST": (("fashion",), ()),
    # Areas less random's of what the papers claim nothing of.
    "Papers run again": (
        PAPERS,
        ("+.041 ± .014", "+.037 ± .015", "+.038 ± .009", "+.020 ± .016", "+.033 ± .021", "+.003 ± .026"),
    ),
    # With --follow code, and in PyTorch.
    "CDALBench": (("cdalbench",), (".866 ± .131", ".911 ± .143", ".906 ± .036", ".956 ± .010", ".891 ± .031")),
    "Text": (("text",), ()),
    "Rare classes": (("rare",), ()),
    "Depth": (("depth",), ()),
    "Wrong labels": (("noisy",), ()),
    "When to stop": (("stopping",), ()),
}
NUMBER = r"[+-]?\d*\.?\d+"
WITH_INTERVAL = re.compile(rf"({NUMBER}) (?:± ({NUMBER})|\[({NUMBER}), ({NUMBER})\])")


def as_text(parts):
    """Tables and sentences as they are printed on a wide screen."""
    console = Console(width=1000, file=io.StringIO())
    for part in parts:
        console.print(part, soft_wrap=True, markup=False)
    return console.file.getvalue()


def figures_in(text):
    """Every number that stands before an interval: the text, and its numbers as they stand there."""
    return {found.group(): [part for part in found.groups() if part] for found in WITH_INTERVAL.finditer(text)}


def states(stated, printed):
    """Whether the first numbers are the second, rounded if these have more digits."""

    def is_rounded(ours, theirs):
        decimals, more = (len(number.partition(".")[2]) for number in (ours, theirs))
        half = 0.5 * 10**-decimals if more > decimals else 0
        return abs(float(ours) - float(theirs)) <= half + 1e-9

    return len(stated) == len(printed) and all(map(is_rounded, stated, printed))


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """What is printed of each study. Pictures are not drawn, which takes longest: tests of the studies draw them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", lambda figure, path, **_: Path(path).touch())
        shown = {}
        patch.setattr(redraw, "show", lambda name, *parts: shown.update({name: parts}))
        redraw.main(Redrawn(output=tmp_path_factory.mktemp("redrawn")))
    return shown


def test_every_kept_study_is_drawn_again():
    assert {path.name for path in RESULTS.iterdir()} == set(STUDIES)


@pytest.mark.parametrize("section", SECTIONS)
def test_figures_of_the_readme_are_those_of_the_kept_results(section, printed):
    studies, others = SECTIONS[section]
    text = (RESULTS.parent / "README.md").read_text()
    (said,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    found = [numbers for name in studies for numbers in figures_in(as_text(printed[name])).values()]
    stated = figures_in(said)
    unknown = {text for text, numbers in stated.items() if not any(states(numbers, each) for each in found)}
    assert stated
    assert unknown == set(others)


def test_figures_are_compared_as_rounded():
    (numbers,) = figures_in("margin: -.017 ± .020").values()
    assert numbers == ["-.017", ".020"]
    assert states(numbers, ["-0.0173", "0.0196"])
    assert states(numbers, ["-0.017", "0.020"])
    assert not states(numbers, ["-0.0181", "0.0196"])
    assert not states(numbers, ["0.0173", "0.0196"])
    assert figures_in("+.017 [+.011, -.003]") == {"+.017 [+.011, -.003]": ["+.017", "+.011", "-.003"]}
    assert not states(["+.017", "+.011", "-.003"], numbers)


def test_an_unknown_study_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(ValueError, match="expected --studies to be one of .*, got 'mnist'"):
        redraw.main(Redrawn(studies=("mnist",), output=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
