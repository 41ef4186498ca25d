"""What autodoc shows of docstrings: fields of records with the comments beside them, and axes such as *N."""

import ast
import dataclasses
import inspect
import io
import re
import textwrap
import tokenize
from typing import Any


def describe(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Add the fields of a NamedTuple, dataclass or TypedDict to its docstring; a hook of autodoc."""
    if what != "class" or not _is_record(thing):
        return
    if lines and lines[-1]:
        lines.append("")
    for field, annotation, comment in fields(thing):
        lines += [f":ivar {field}: {comment}".rstrip(), f":vartype {field}: ``{annotation}``"]
    lines.append("")


def keep_stars(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Escape the star of axes such as [S, *N, C], which would start italics; a hook of autodoc."""
    for number, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [re.sub(r"\*(?=\w+(?: / \w+)?[,\]])", r"\\*", part) for part in parts[::2]]
        lines[number] = "``".join(parts)


def skip(app: Any, what: str, name: str, thing: Any, skipped: bool, options: Any) -> bool | None:
    """Leave out the fields of a NamedTuple as members: they are described with their class."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def fields(record: type) -> list[tuple[str, str, str]]:
    """Name, annotation and comment of each field, in order; a comment stands behind a field or above it."""
    source = textwrap.dedent(inspect.getsource(record))
    comments = {
        token.start[0]: token.string.lstrip("# ")
        for token in tokenize.generate_tokens(io.StringIO(source).readline)
        if token.type == tokenize.COMMENT
    }
    lines = source.splitlines()
    (definition,) = ast.parse(source).body
    found = []
    followers = [*definition.body[1:], None]
    for node, follower in zip(definition.body, followers, strict=True):
        # A field with a docstring below it is a member that autodoc describes.
        if not isinstance(node, ast.AnnAssign) or _is_text(follower):
            continue
        above, line = [], node.lineno - 1
        while lines[line - 1].lstrip().startswith("#"):
            above.insert(0, comments[line])
            line -= 1
        comment = " ".join([comments.get(node.end_lineno, ""), *above]).strip()
        found.append((ast.unparse(node.target), ast.unparse(node.annotation), comment))
    return found


def _is_record(thing: Any) -> bool:
    return hasattr(thing, "_fields") or dataclasses.is_dataclass(thing) or hasattr(thing, "__required_keys__")


def _is_text(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
