"""Notebooks: their code runs, the script and the executed notebook are the same text, and pictures are in it."""

import re
from pathlib import Path

import jax
import jupytext
import matplotlib.pyplot as plt
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.py"))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("script", NOTEBOOKS, ids=lambda path: path.stem)
def test_script_and_executed_notebook_agree(script):
    cells = [(cell.cell_type, cell.source) for cell in jupytext.read(script).cells]
    executed = jupytext.read(script.with_suffix(".ipynb"))
    assert [(cell.cell_type, cell.source) for cell in executed.cells] == cells
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" for output in outputs)


@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("script", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_code_of_a_notebook_runs(script):
    """With few steps of training and sampling: the pictures in the notebook are those of all of them."""
    short, count = re.subn(r"\b(num_steps|num_warmup)=[\d_]+", r"\1=2", script.read_text())
    assert count
    plt.switch_backend("agg")
    with jax.numpy_rank_promotion("allow"):  # as readers have it
        exec(compile(short, script, "exec"), {"__name__": "__main__"})
    assert plt.get_fignums()
    plt.close("all")
