"""Settings that every gradient-trained posterior accepts, and what makes them invalid."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypedDict

from jaxtyping import Array

from bal.types import RngKey
from bal.validation import check_count, check_fraction


class EarlyStopping(NamedTuple):
    """Stop when the validation loss has not improved for ``patience`` evaluations, and restore the best parameters.

    The validation loss is computed without noise, on ``Dataset.validation`` or on a random part of the labelled points,
    which is then not trained on.
    """

    patience: int
    evaluate_every: int  # optimiser steps between evaluations
    held_out_fraction: float | None = None  # of the labelled points; None: Dataset.validation


class TrainingSettings(TypedDict, total=False):
    """Settings of ``gradient_fit``, accepted by every gradient-trained posterior; an optimiser needs the first two."""

    num_steps: int  # optimiser steps; with early stopping, at most
    minibatch_size: int  # examples a step, drawn with replacement among rows of positive weight
    weight_decay: (
        float | Array | Callable[[Array], Array]
    )  # L2 on kernels, added to the loss; or a function of the number of labels
    early_stopping: EarlyStopping | None
    augment: Callable[[RngKey, Array], Array] | None  # (rng_key, inputs) -> inputs, in training only
    micro_batch_size: int | None  # examples a gradient piece; None chooses by network and platform


def check_optimizer(optimizer: Any) -> None:
    """Raise unless this is an optax transformation; its name or its factory is not."""
    if not callable(getattr(optimizer, "init", None)) or not callable(getattr(optimizer, "update", None)):
        raise ValueError(
            f"expected an optax transformation as optimizer, got {optimizer!r}: use one such as optax.adam(1e-3)"
        )


def split_settings(settings: TrainingSettings) -> tuple[int, EarlyStopping | None, dict[str, Any]]:
    """The number of steps, early stopping, and the settings of ``gradient_steps``.

    Raises:
      ValueError: a required setting is missing, or the number of steps or early stopping is invalid.
    """
    missing = [name for name in ("num_steps", "minibatch_size") if name not in settings]
    if missing:
        raise ValueError(
            f"expected num_steps and minibatch_size to train with, got no {' and no '.join(missing)}: "
            "pass them by name, such as num_steps=1000, minibatch_size=32"
        )
    num_steps, early_stopping = settings["num_steps"], settings.get("early_stopping")
    check_count("num_steps", num_steps)
    if early_stopping is not None:
        _check_early_stopping(early_stopping, num_steps)
    rest = {name: value for name, value in settings.items() if name not in ("num_steps", "early_stopping")}
    return num_steps, early_stopping, rest


def without_early_stopping(name: str, settings: TrainingSettings) -> tuple[int, dict[str, Any]]:
    """The number of steps and the settings of ``gradient_steps``, for a posterior that cannot stop early."""
    if settings.get("early_stopping") is not None:
        raise ValueError(f"expected no early_stopping for {name}, got {settings['early_stopping']}: leave it out")
    num_steps, _, rest = split_settings(settings)
    return num_steps, rest


def _check_early_stopping(early_stopping: EarlyStopping, num_steps: int) -> None:
    if not isinstance(early_stopping, EarlyStopping):
        raise ValueError(
            f"expected early_stopping to be None or EarlyStopping(patience, evaluate_every), got {early_stopping!r}"
        )
    check_count("patience", early_stopping.patience)
    check_count("evaluate_every", early_stopping.evaluate_every)
    if early_stopping.evaluate_every > num_steps:
        raise ValueError(
            f"expected evaluate_every of at most num_steps, got {early_stopping.evaluate_every} and {num_steps}"
        )
    fraction = early_stopping.held_out_fraction
    if fraction is not None:
        check_fraction(held_out_fraction=fraction)
