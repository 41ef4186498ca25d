"""The documentation site, without Sphinx: its examples run, its links lead somewhere, and it has every public name."""

import importlib
import importlib.util
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "generated" not in page.parts)


def blocks(page):
    """The blocks of a page that run, marked ``python``; those marked ``py`` need what the tests do not have."""
    return re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.stem)
def test_examples_of_a_page_run_one_after_the_other(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    known = {}
    for block in blocks(page):
        exec(compile(block, str(page), "exec"), known)


def test_links_between_pages_lead_to_pages():
    for page in PAGES:
        for target in re.findall(r"\{doc\}`(?:[^`<]*<)?(/[^`>]+)>?`", page.read_text()):
            if not target.startswith("/generated/reference/"):
                at = ROOT / target.replace("/generated/", "") if "/generated/" in target else DOCS / target[1:]
                assert at.with_suffix(".md").exists() or at.with_suffix(".ipynb").exists(), (page.name, target)


def building(name):
    """A step before the build."""
    spec = importlib.util.spec_from_file_location(name, DOCS / "building" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_figures_of_the_second_notebook_are_where_the_site_looks(tmp_path):
    copies = building("copies")
    copies.write(ROOT, tmp_path)
    for name in copies.DRAWN:
        assert (tmp_path / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")


@pytest.fixture(scope="module")
def reference():
    """The generator of the pages of the reference."""
    return building("reference")


def test_every_room_has_a_page_that_the_reference_lists(reference):
    import bal

    rooms = {"bal", "bal.studies", *(f"bal.{name}" for name in bal.__all__ if inspect.ismodule(getattr(bal, name)))}
    assert rooms <= set(reference.ROOMS)
    listed = (DOCS / "reference.md").read_text()
    for room in [*reference.ROOMS, "contracts"]:
        assert f"\ngenerated/reference/{room}\n" in listed, room
        assert f"</generated/reference/{room}>" in listed, room


def test_every_public_name_has_an_entry(reference):
    home = reference.homes()
    described = set()
    for room in reference.ROOMS:
        page = reference.page(room, home)
        described |= {f"{module}.{name}" for module, name in re.findall(r"`([\w.]+)\.(\w+)`", page)}
        described |= {f"{room}.{name}" for name in re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)$", page, re.MULTILINE)}
    for room in reference.ROOMS:
        for name, thing in reference.public_names(room).items():
            assert f"{home.get(id(thing), room)}.{name}" in described, (room, name)


def test_every_public_name_has_a_docstring_and_every_function_an_example(reference):
    functions = {}
    for room in reference.ROOMS:
        for name, thing in reference.public_names(room).items():
            if reference.kind(thing) != "data":
                assert inspect.getdoc(thing), (room, name)
            if reference.kind(thing) == "function":
                functions[name] = functions.get(name, True) and ">>>" in inspect.getdoc(thing)
    assert [name for name, shown in functions.items() if not shown] == []


UNITS = r"\b(nats|share|probabilit|from 0|from -1|units?|squared|pixels|number of|true)"


@pytest.mark.parametrize("room", ["acquisition", "metrics", "stopping"])
def test_numbers_of_public_functions_have_units(room):
    """In nats, as a share, from 0 to 1, in units of the labels, ...: before the example."""
    module = importlib.import_module(f"bal.{room}")
    functions = {name: getattr(module, name) for name in module.__all__ if inspect.isfunction(getattr(module, name))}
    without = [
        name
        for name, function in functions.items()
        if "Float" in str(inspect.signature(function).return_annotation)
        and not re.search(UNITS, (inspect.getdoc(function) or "").partition("Example:")[0], re.IGNORECASE)
    ]
    assert functions
    assert not without
