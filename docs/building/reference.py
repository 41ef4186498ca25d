"""Pages of the reference: one a room, of every public name, from docstrings."""

import importlib
import inspect
from pathlib import Path
from typing import Any

# In the order of the site. What several rooms export is described in the first of them.
ROOMS = (
    "bal",
    "bal.acquisition",
    "bal.selection",
    "bal.strategies",
    "bal.posteriors",
    "bal.networks",
    "bal.likelihoods",
    "bal.datasets",
    "bal.labelling",
    "bal.autolabel",
    "bal.stopping",
    "bal.metrics",
    "bal.augmentation",
    "bal.detection",
    "bal.information",
    "bal.types",
    "bal.studies",
    "bal.studies.statistics",
)
# Protocols and records that are not exported, and that those who write their own parts need.
CONTRACTS = {
    "Posteriors": ("bal.posteriors._protocols",),
    "Strategies and their view of the pool": ("bal.strategies._strategy", "bal.view"),
    "Learners": ("bal.loop._learner",),
    "Regions of images": ("bal.regions",),
}
KINDS = {"function": "Functions", "class": "Records and protocols", "data": "Values"}


def public_names(room: str) -> dict[str, Any]:
    """What a room exports, by name: its ``__all__``, or else what it defines; rooms in it are left out."""
    module = importlib.import_module(room)
    names = getattr(module, "__all__", None)
    if names is None:
        names = [
            name
            for name, thing in vars(module).items()
            if not name.startswith("_") and getattr(thing, "__module__", None) == room
        ]
    return {name: getattr(module, name) for name in names if not inspect.ismodule(getattr(module, name))}


def kind(thing: Any) -> str:
    """How the reference describes it."""
    if inspect.isclass(thing):
        return "class"
    return "function" if callable(thing) else "data"


def homes() -> dict[int, str]:
    """The room in which each function and class is described, by identity."""
    described: dict[int, str] = {}
    for room in ROOMS:
        for thing in public_names(room).values():
            if kind(thing) != "data":
                described.setdefault(id(thing), room)
    return described


def page(room: str, home: dict[int, str]) -> str:
    """The source of a room's page, in reStructuredText."""
    things = public_names(room)
    here = {name: thing for name, thing in things.items() if home.get(id(thing), room) == room}
    lines = [room, "=" * len(room), "", f".. automodule:: {room}", "   :no-members:", ""]
    elsewhere = [f":py:obj:`{home[id(things[name])]}.{name}`" for name in sorted(set(things) - set(here))]
    if elsewhere:
        lines += [f"Also exported here: {', '.join(elsewhere)}.", ""]
    lines += [f".. currentmodule:: {room}", ""]
    for which, title in KINDS.items():
        names = sorted((name for name, thing in here.items() if kind(thing) == which), key=str.lower)
        if not names:
            continue
        lines += [title, "-" * len(title), ""]
        if which != "data":
            lines += [".. autosummary::", "   :nosignatures:", "", *(f"   {name}" for name in names), ""]
        for name in names:
            lines += _entry(which, name, here[name])
    return "\n".join(lines)


def contracts(home: dict[int, str]) -> str:
    """The source of the page of protocols: what each function of a posterior, a strategy or a learner must do."""
    lines = ["Contracts", "=========", ""]
    lines += ["What each function of your own posterior or strategy receives and returns, and those of a learner.", ""]
    for title, modules in CONTRACTS.items():
        lines += [title, "-" * len(title), ""]
        for module in modules:
            for name, thing in vars(importlib.import_module(module)).items():
                defined = inspect.isclass(thing) and thing.__module__ == module
                if defined and not name.startswith("_") and id(thing) not in home:
                    lines += [f".. autoclass:: {module}.{name}", ""]
    return "\n".join(lines)


def write(folder: Path) -> None:
    """Write all pages, and leave those untouched that have not changed, which Sphinx need not read again."""
    folder.mkdir(parents=True, exist_ok=True)
    home = homes()
    pages = {room: page(room, home) for room in ROOMS} | {"contracts": contracts(home)}
    for name, text in pages.items():
        target = folder / f"{name}.rst"
        if not target.exists() or target.read_text() != text:
            target.write_text(text)


def _entry(which: str, name: str, thing: Any) -> list[str]:
    if which == "data":
        return [f".. py:data:: {name}", "", f"   {_value(thing)}", ""]
    return [f".. auto{which}:: {name}", ""]


def _value(thing: Any) -> str:
    """Registries by their names, other values as they are."""
    if isinstance(thing, dict):
        return f"By name: {', '.join(f'``{key}``' for key in thing)}."
    return f"``{thing!r}``"
