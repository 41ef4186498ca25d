"""How tables and sentences get to the screen."""

from rich.console import Console
from rich.table import Table


def show(*parts: Table | str) -> None:
    """Print tables at their full width, so that no number is cut off on a narrow screen, and sentences.

    Example:
      >>> show("Tables are in results/digits")
      Tables are in results/digits
    """
    for part in parts:
        width = Console(width=1000).measure(part).maximum if isinstance(part, Table) else 0
        # A path may hold brackets, which are not markup.
        Console(width=max(Console().width, width)).print(part, soft_wrap=isinstance(part, str), markup=False)
