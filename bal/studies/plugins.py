"""Strategies, posteriors, networks and data sets by name: registered ones, and plugins called ``module:function``."""

import ast
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from bal.validation import check_choice

Built = TypeVar("Built")


def is_plugin(name: str) -> bool:
    """Whether a name is ``module:function``."""
    return ":" in name


def find_factory(kind: str, name: str, known: Mapping[str, Callable[..., Built]]) -> Callable[..., Built]:
    """The function of that name.

    Args:
      kind: its name in the message.
      name: in ``known``, or ``module:function``; modules of the current folder can be imported.
      known: registered functions.

    Raises:
      ValueError: an unknown name, a module that does not import, or an attribute that is missing or not callable.
    """
    if not is_plugin(name):
        check_choice(kind, name, known)
        return known[name]
    module_name, _, attribute = name.partition(":")
    module = _import(kind, name, module_name)
    if not hasattr(module, attribute):
        public = [each for each in vars(module) if not each.startswith("_")]
        check_choice(f"the function of {kind} {name!r}", attribute, public or [f"a function of {module_name}"])
    factory = getattr(module, attribute)
    if not callable(factory):
        raise ValueError(f"expected {kind} {name!r} to name a function, got {factory!r}")
    return factory


def takes_features(factory: Callable[..., Any]) -> bool:
    """Whether the features that a strategy uses can be chosen."""
    return "features" in inspect.signature(factory).parameters


def build_plugin(kind: str, name: str, factory: Callable[..., Any], expected: type[Built], **arguments: Any) -> Built:
    """What a factory builds, of the right type.

    Raises:
      ValueError: a ``module:function`` raises, or returns something else.
    """
    if not is_plugin(name):
        return factory(**arguments)
    try:
        built = factory(**arguments)
    except Exception as error:
        call = f"{name}({', '.join(f'{key}=...' for key in arguments)})"
        raise ValueError(
            f"expected {kind} {name!r} to build a {expected.__name__}, got {type(error).__name__} from {call}: {error}"
        ) from error
    if not isinstance(built, expected):
        raise ValueError(f"expected {kind} {name!r} to return a {expected.__name__}, got {type(built).__name__}")
    return built


def plugin_sources(name: str) -> list[Path]:
    """The source files that a plugin is made of: its package, or its module and those beside it that it imports."""
    module_name = name.partition(":")[0]
    top = importlib.import_module(module_name.partition(".")[0])
    if hasattr(top, "__path__"):
        return sorted(path for folder in top.__path__ for path in Path(folder).rglob("*.py"))
    found: dict[Path, None] = {}
    waiting = [Path(top.__file__)] if top.__file__ else []
    while waiting:
        path = waiting.pop()
        if path in found or path.suffix != ".py":
            continue
        found[path] = None
        for node in ast.walk(ast.parse(path.read_text())):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            beside = (path.with_name(f"{each.partition('.')[0]}.py") for each in names)
            waiting += [each for each in beside if each.exists()]
    return sorted(found)


def _import(kind: str, name: str, module_name: str) -> Any:
    # Last, so that a file of the current folder never stands in for an installed package.
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    try:
        importlib.invalidate_caches()
        return importlib.import_module(module_name)
    except Exception as error:
        raise ValueError(
            f"expected {kind} {name!r} to name a module that can be imported, got {type(error).__name__}: {error}"
        ) from error
