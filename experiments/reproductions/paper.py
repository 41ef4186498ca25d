"""What a reproduction knows of a paper: its protocol, its figures and its claims."""

from typing import Any, NamedTuple


class Published(NamedTuple):
    """Accuracies that somebody else measured."""

    source: str
    variant: str
    accuracy: dict[str, dict[int, float]]  # strategy -> number of labels -> accuracy


class Claim(NamedTuple):
    """One curve lies above another."""

    better: tuple[str, str]  # variant, strategy
    than: tuple[str, str]


class Paper(NamedTuple):
    """A comparison of strategies, as settings of :class:`bal.studies.Settings` by the names of their flags."""

    title: str
    protocol: dict[str, Any]
    variants: dict[str, dict[str, Any]]  # what is compared beside strategies: settings that differ, by name
    small: dict[str, Any]  # settings at a size for two cores
    claims: tuple[Claim, ...]
    published: tuple[Published, ...] = ()
    deviations: str = ""  # where the protocol differs from the paper's, or is not known
