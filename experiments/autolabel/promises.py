"""Which points a model of a finished run may label at a promised error rate, and the error rate that results."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from rich.table import Table

import bal
from bal.autolabel import Calibration, Decision, Kind, Rule, assess, decide_assessed, risk_controlled
from bal.studies import mean_and_interval
from bal.studies.grid import Unit
from bal.studies.learners import build_learner, load_dataset, seed_key
from bal.studies.settings import Settings
from bal.studies.tasks import task_of

SCORES = ("max_entropy", "least_confidence", "bald")  # uncertainties that pictures show


class Seen(NamedTuple):
    """The rest of the pool under the models of all seeds, halfway through the run: what pictures show."""

    num_labelled: int
    probs: np.ndarray  # [seeds, N, C] mean prediction
    scores: dict[str, np.ndarray]  # name -> uncertainty [seeds, N]
    labels: np.ndarray  # [N] true classes
    label_names: tuple[str, ...]  # of all C classes
    rest: np.ndarray  # [seeds, N] True where no person has given a label
    images: np.ndarray  # [N, ...]
    kinds: dict[float, np.ndarray]  # promised error -> [seeds, N]


def keep_promises(
    settings: Settings, units: Sequence[Unit], promised: Sequence[float], *, confidence: float, num_counts: int
) -> tuple[pd.DataFrame, dict[str, Seen]]:
    """One row for each strategy, seed, label count and promised error; and what there is to see halfway.

    Args:
      settings: those of the grid.
      units: its finished work. It holds no states of earlier rounds, so their models are fitted again, from its keys.
      promised: error rates for the risk-controlled rule.
      confidence: probability that each promise holds.
      num_counts: number of equally spaced rounds to evaluate.
    """
    dataset = load_dataset(settings)
    if dataset.calibration is None:
        raise ValueError("expected num_calibration of at least 1 for promises, got 0")
    true_labels = np.asarray(dataset.pool_labels)
    rules = [risk_controlled(error, confidence=confidence) for error in promised]
    rows: list[tuple[Any, ...]] = []
    parts: dict[str, list[Seen]] = {}
    rounds = np.unique(np.linspace(0, settings.run.num_rounds - 1, num_counts).round().astype(int)).tolist()
    # Models of a group of seeds are fitted together, as they were in the run. They depend on the points that a strategy
    # asked for and not on how, so one program serves all.
    grouped = settings.with_values(seeds_at_once=len(units[0].seeds))
    learner = build_learner(grouped, "random", task_of(dataset))
    decide_all = jax.jit(jax.vmap(partial(_decisions, learner, rules), in_axes=(0, 0, 0, None)))
    look_all = jax.jit(jax.vmap(partial(_predictions, learner), in_axes=(0, 0, None)))
    for unit, done, keys, state, asked in _models(settings, learner, units, dataset, rounds):
        kept = [position for position, seed in enumerate(unit.seeds) if seed < settings.run.num_seeds]
        decisions = jax.device_get(decide_all(keys, state, asked, dataset))
        for error, decision in zip(promised, decisions, strict=True):
            for position in kept:
                one = jax.tree.map(lambda leaf, position=position: leaf[position], decision)
                count = int(state.pool.num_labelled[position])
                rows.append((unit.strategy, unit.seeds[position], count, error, *_measure(one, true_labels, count)))
        if done == rounds[len(rounds) // 2]:
            probs, scores = jax.device_get(look_all(keys, state, dataset))
            part = Seen(
                int(state.pool.num_labelled[0]),
                probs[kept],
                {name: values[kept] for name, values in scores.items()},
                true_labels,
                dataset.about.label_names or tuple(map(str, range(probs.shape[-1]))),
                np.asarray(state.pool.available)[kept],
                np.asarray(dataset.pool_inputs),
                {error: decision.kind[kept] for error, decision in zip(promised, decisions, strict=True)},
            )
            parts.setdefault(unit.strategy, []).append(part)
    seen = {strategy: _join(own) for strategy, own in parts.items()}
    columns = ["strategy", "seed", "num_labelled", "promised", "is_satisfied", "num_automatic", "coverage", "error"]
    data = settings.data
    promises = pd.DataFrame(rows, columns=columns)
    return promises.assign(dataset=data.dataset, num_calibration=data.num_calibration), seen


def promises_table(promises: pd.DataFrame) -> Table:
    """Share of the rest of the pool that is labelled automatically, and the errors among these labels."""
    dataset, num_calibration = promises[["dataset", "num_calibration"]].iloc[0]
    title = f"{dataset}: automatic labels of the rest of the pool, {num_calibration} calibration labels"
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


def sentences(promises: pd.DataFrame) -> Iterator[str]:
    """The last models, in words."""
    last = promises[promises["num_labelled"] == promises["num_labelled"].max()]
    for (strategy, promised), part in last.groupby(["strategy", "promised"], sort=False):
        error = float(str(promised))
        start = f"{strategy}: with {part['num_labelled'].iloc[0]} labels by a person "
        start += (
            f"({part['num_calibration'].iloc[0]} more for calibration), promised at most {100 * error:.0f} % errors:"
        )
        satisfied = part[part["is_satisfied"]]
        if satisfied.empty:
            yield f"{start} no threshold satisfies it in any run."
            continue
        yield (
            f"{start} {100 * part['coverage'].mean():.1f} % of the rest of the pool is labelled automatically, "
            f"{100 * satisfied['error'].mean():.2f} % of it wrong; no threshold satisfied it in "
            f"{len(part) - len(satisfied)} of {len(part)} runs."
        )


def _models(
    settings: Settings,
    learner: bal.ActiveLearner,
    units: Sequence[Unit],
    dataset: bal.Dataset,
    rounds: Sequence[int],
) -> Iterator[tuple[Unit, int, jax.Array, bal.LoopState, jax.Array]]:
    """Unit, round, and of each of its seeds the key, the state after the round and the points that it asked for."""
    num_points = len(dataset.pool_inputs)

    def fit(rng_key, asked_before, done, dataset) -> bal.LoopState:
        labels = dataset.pool_labels.at[asked_before].get(mode="fill", fill_value=0)
        state = learner.tell(learner.init(rng_key, dataset), asked_before, labels)._replace(round=done)
        return learner.ask(rng_key, state, dataset)[0]

    fit_all = jax.jit(jax.vmap(fit, in_axes=(0, 0, None, None)))
    for unit in units:
        keys = jnp.stack([seed_key(settings, seed) for seed in unit.seeds])
        chosen = np.asarray(unit.info.selection.indices[: settings.run.num_rounds]).swapaxes(0, 1)  # [seeds, rounds, B]
        for done in rounds:
            before = np.where(np.arange(chosen.shape[1])[:, None] < done, chosen, num_points)
            state = fit_all(keys, jnp.asarray(before.reshape(len(chosen), -1)), jnp.int32(done), dataset)
            yield unit, done, keys, state, jnp.asarray(chosen[:, done])


def _decisions(learner: bal.ActiveLearner, rules: Sequence[Rule], rng_key, state, asked, dataset) -> list[Decision]:
    """What each rule decides of the pool."""
    predict, calibration_set = learner.predictor(rng_key, state), dataset.calibration

    def assess_chunk(inputs):
        log_probs = predict(inputs)
        return [assess(rule, log_probs) for rule in rules]

    pool, known = (bal.stream(assess_chunk, inputs) for inputs in (dataset.pool_inputs, calibration_set.inputs))
    available, decisions = state.pool.available, []
    for rule, (uncertainty, labels), (known_uncertainty, said) in zip(rules, pool, known, strict=True):
        calibration = Calibration(known_uncertainty, said != calibration_set.labels, calibration_set.weights)
        decision = decide_assessed(
            jax.random.key(0), uncertainty, labels, rule, available=available, asked=asked, calibration=calibration
        )
        decisions.append(decision)
    return decisions


def _predictions(learner: bal.ActiveLearner, rng_key, state, dataset) -> tuple[jax.Array, dict[str, jax.Array]]:
    """Mean prediction [N, C] of the pool, and the uncertainties [N] that pictures show."""
    predict = learner.predictor(rng_key, state)

    def look(inputs):
        log_probs = predict(inputs)
        scores = {name: bal.acquisition.SCORES[name](log_probs) for name in SCORES}
        return jnp.exp(log_probs).mean(axis=0), scores

    return bal.stream(look, dataset.pool_inputs)


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
