"""What a model of a finished run may label by itself, at an error rate that is promised, and how wrong that is."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from rich.table import Table

import bal
from bal.autolabel import Decision, Kind, calibrate, decide, risk_controlled
from experiments.results import mean_and_interval
from experiments.runner import Unit
from experiments.settings import Settings, build_learner, build_posterior, count_classes, load_dataset, seed_key


class Seen(NamedTuple):
    """The rest of the pool under the models of all seeds, halfway through the run: what pictures show."""

    num_labelled: int
    probs: np.ndarray  # [seeds, N, C] mean prediction
    scores: dict[str, np.ndarray]  # name -> uncertainty [seeds, N]
    labels: np.ndarray  # [N] true classes
    rest: np.ndarray  # [seeds, N] True where no person has given a label
    images: np.ndarray  # [N, ...]
    kinds: dict[float, np.ndarray]  # promised error -> [seeds, N]


def keep_promises(
    settings: Settings, units: Sequence[Unit], promised: Sequence[float], *, confidence: float, num_counts: int
) -> tuple[pd.DataFrame, dict[str, Seen]]:
    """One row for each strategy, seed, label count and promised error; and what there is to see halfway.

    Args:
      settings: those of the grid.
      units: its finished work. No state of it is kept, so the models of a round are fitted once more, from its keys.
      promised: error rates for the risk-controlled rule.
      confidence: with which each promise is to be kept.
      num_counts: rounds that are looked at, at equal distances.
    """
    dataset = load_dataset(settings)
    true_labels, calibration_set = np.asarray(dataset.pool_labels), dataset.calibration
    if calibration_set is None:
        raise ValueError("expected num_calibration of at least 1 for promises, got 0")
    rows: list[tuple[Any, ...]] = []
    seen: dict[str, Seen] = {}
    rounds = np.unique(np.linspace(0, settings.num_rounds - 1, num_counts).round().astype(int))
    for strategy in settings.strategies:
        parts = []
        for seeds, done, log_probs, calibration_log_probs, pool, asked in _models(
            settings, [unit for unit in units if unit.strategy == strategy], dataset, rounds.tolist()
        ):
            kinds = {}
            for error in promised:
                rule = risk_controlled(error, confidence=confidence)

                def decided(log_probs, calibration_log_probs, available, asked, rule=rule) -> Decision:
                    calibration = calibrate(rule, calibration_log_probs, calibration_set.labels)
                    return decide(
                        jax.random.key(0), log_probs, rule, available=available, asked=asked, calibration=calibration
                    )

                decision = jax.device_get(
                    jax.jit(jax.vmap(decided))(log_probs, calibration_log_probs, pool.available, asked)
                )
                kinds[error] = decision.kind
                for position, seed in enumerate(seeds):
                    if seed < settings.num_seeds:
                        one = jax.tree.map(lambda leaf, position=position: leaf[position], decision)
                        count = int(pool.num_labelled[position])
                        rows.append((strategy, seed, count, error, *_measure(one, true_labels, count)))
            if done == rounds[len(rounds) // 2]:
                kept = [position for position, seed in enumerate(seeds) if seed < settings.num_seeds]
                scores = {
                    name: np.asarray(jax.vmap(getattr(bal.acquisition, name))(log_probs))[kept]
                    for name in ("max_entropy", "least_confidence", "bald")
                }
                parts.append(
                    Seen(
                        int(pool.num_labelled[0]),
                        np.exp(np.asarray(log_probs)).mean(axis=1)[kept],
                        scores,
                        true_labels,
                        np.asarray(pool.available)[kept],
                        np.asarray(dataset.pool_inputs),
                        {error: kind[kept] for error, kind in kinds.items()},
                    )
                )
        seen[strategy] = _join(parts)
    columns = ["strategy", "seed", "num_labelled", "promised", "is_satisfied", "num_automatic", "coverage", "error"]
    return pd.DataFrame(rows, columns=columns), seen


def promises_table(promises: pd.DataFrame, settings: Settings) -> Table:
    """Share of the rest of the pool that is labelled automatically, and the errors among these labels."""
    title = (
        f"{settings.dataset}: automatic labels of the rest of the pool, {settings.num_calibration} calibration labels"
    )
    caption = "mean over seeds with 95 % interval; errors where there are labels; kept: runs with at most that error"
    table = Table(title=title, caption=caption)
    for heading in (
        "strategy",
        "labels",
        "promised",
        "labelled automatically",
        "errors among them",
        "kept",
        "no threshold",
    ):
        table.add_column(heading, justify="left" if heading == "strategy" else "right", no_wrap=True)
    for (strategy, count, promised), part in promises.groupby(["strategy", "num_labelled", "promised"], sort=False):
        error = float(str(promised))
        has_labels = part["num_automatic"] > 0
        kept = int((part["error"].fillna(0) <= error).sum())
        table.add_row(
            str(strategy),
            str(count),
            f"{100 * error:.0f} %",
            _percent(part["coverage"].to_numpy(), 1),
            _percent(part["error"][has_labels].to_numpy(), 2) if has_labels.any() else "-",
            f"{kept} of {len(part)}",
            f"{int((~part['is_satisfied']).sum())} of {len(part)}",
        )
    return table


def sentences(promises: pd.DataFrame, settings: Settings) -> Iterator[str]:
    """The last models, in words."""
    last = promises[promises["num_labelled"] == promises["num_labelled"].max()]
    for (strategy, promised), part in last.groupby(["strategy", "promised"], sort=False):
        error = float(str(promised))
        start = (
            f"{strategy}: with {part['num_labelled'].iloc[0]} labels by a person ({settings.num_calibration} more for "
        )
        start += f"calibration), promised at most {100 * error:.0f} % errors:"
        satisfied = part[part["is_satisfied"]]
        if satisfied.empty:
            yield f"{start} no threshold satisfies it in any run."
            continue
        yield (
            f"{start} {100 * part['coverage'].mean():.1f} % of the rest of the pool is labelled automatically, "
            f"{100 * satisfied['error'].mean():.2f} % of it wrong; no threshold satisfied it in "
            f"{len(part) - len(satisfied)} of {len(part)} runs."
        )


def _models(settings: Settings, units: Sequence[Unit], dataset: bal.Dataset, rounds: Sequence[int]):
    """Seeds, round, predictions [seeds, S, N, C] of pool and calibration points, pool, points asked for."""
    num_classes = count_classes(dataset)
    strategy = units[0].strategy
    learner = build_learner(settings, strategy, num_classes)
    posterior = build_posterior(settings, settings.posterior, num_classes)
    num_samples = settings.num_samples if posterior.max_samples is not None else settings.num_samples or 32
    num_points = len(dataset.pool_inputs)

    def models(rng_key, asked_before, done, dataset) -> tuple[Any, ...]:
        state = learner.init(rng_key, dataset)
        labels = dataset.pool_labels.at[asked_before].get(mode="fill", fill_value=0)
        state = learner.tell(state, asked_before, labels)._replace(round=done)
        state, info = learner.ask(rng_key, state, dataset)
        key_samples = jax.random.fold_in(bal.split_keys(rng_key).samples, done)
        draws = posterior.sample(key_samples, state.posterior, num_samples)

        def points_first(inputs):
            return jnp.moveaxis(posterior.predict(state.posterior, draws, inputs), 1, 0)

        log_probs = (
            jnp.moveaxis(bal.stream(points_first, inputs), 0, 1)
            for inputs in (dataset.pool_inputs, dataset.calibration.inputs)
        )
        return *log_probs, state.pool, info.selection.indices

    program = jax.jit(jax.vmap(models, in_axes=(0, 0, None, None)))
    for unit in units:
        keys = jnp.stack([seed_key(settings, seed) for seed in unit.seeds])
        chosen = np.asarray(unit.info.selection.indices[: settings.num_rounds]).swapaxes(0, 1)  # [seeds, rounds, B]
        for done in rounds:
            before = np.where(np.arange(chosen.shape[1])[:, None] < done, chosen, num_points)
            before = before.reshape(len(chosen), -1)
            yield unit.seeds, done, *program(keys, jnp.asarray(before), jnp.int32(done), dataset)


def _measure(decision: Decision, labels, num_labelled: int) -> tuple[bool, int, float, float]:
    automatic = decision.kind == Kind.AUTOMATIC
    count = int(automatic.sum())
    wrong = (decision.labels != np.asarray(labels)) & automatic
    error = float(wrong.sum() / count) if count else float("nan")
    return bool(decision.is_satisfied), count, count / (len(automatic) - num_labelled), error


def _join(parts: list[Seen]) -> Seen:
    first = parts[0]
    return first._replace(
        probs=np.concatenate([part.probs for part in parts]),
        scores={name: np.concatenate([part.scores[name] for part in parts]) for name in first.scores},
        rest=np.concatenate([part.rest for part in parts]),
        kinds={error: np.concatenate([part.kinds[error] for part in parts]) for error in first.kinds},
    )


def _percent(values: np.ndarray, digits: int) -> str:
    mean, half = mean_and_interval(100 * values)
    return f"{mean:.{digits}f} ± {half:.{digits}f} %" if np.isfinite(half) else f"{mean:.{digits}f} %"
