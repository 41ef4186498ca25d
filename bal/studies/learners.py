"""The pieces of the library that settings name: data set, posterior, strategy, learner."""

import difflib
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import optax

import bal
from bal.posteriors import EarlyStopping, Posterior
from bal.studies.models import FACTORIES, construct, is_classifier, probabilistic_program
from bal.studies.settings import Settings

# What a posterior needs that differs, found on digits with 20 labels and the default network. With few labels the prior
# of so many weights outweighs them: at temperature 1 they hardly learn, and a prior precision by marginal likelihood
# falls so low that draws of a network that is certain of its labels are noise. NUTS would take hours at its own depth.
OF_POSTERIOR: dict[str, dict[str, Any]] = {
    "laplace": {"curvature": "kronecker", "prior_precision": 100.0},
    "mean_field": {"temperature": 0.1},
    "numpyro_mcmc": {"num_warmup": 100, "max_tree_depth": 5},
    "sghmc": {"learning_rate": 0.05, "prior_scale": 3.0, "temperature": 0.1},
    "sgld": {"learning_rate": 0.2, "prior_scale": 3.0, "temperature": 0.1},
}


def load_dataset(settings: Settings) -> bal.Dataset:
    """The data set with its variants, on the device."""
    dataset = bal.datasets.load(settings.dataset, data_dir=settings.data_dir, download=settings.data_dir is None)
    if settings.normalise:
        dataset = bal.datasets.normalised(dataset)
    key_subset, key_validation, key_noise = jax.random.split(jax.random.fold_in(jax.random.key(settings.seed), 1), 3)
    if settings.num_pool is not None or settings.num_test is not None:
        dataset = bal.datasets.subset(key_subset, dataset, num_pool=settings.num_pool, num_test=settings.num_test)
    if settings.num_validation:
        dataset = bal.datasets.hold_out_validation(key_validation, dataset, num_validation=settings.num_validation)
    if settings.num_calibration:
        key_calibration = jax.random.fold_in(key_validation, 1)
        dataset = bal.datasets.hold_out_calibration(key_calibration, dataset, num_calibration=settings.num_calibration)
    if settings.copies > 1:
        dataset = bal.datasets.repeated(key_noise, dataset, copies=settings.copies, noise=settings.noise)
    return jax.device_put(dataset)


def count_classes(dataset: bal.Dataset) -> int:
    """Classes of the pool and the test set together: either may lack some."""
    return max(int(np.max(np.asarray(labels))) for labels in (dataset.pool_labels, dataset.test_labels)) + 1


def seed_key(settings: Settings, seed: int) -> bal.types.RngKey:
    """The key of one run; the same for all strategies, so that they are paired."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(settings.seed), 2), seed)


def build_posterior(settings: Settings, name: str, num_classes: int) -> Posterior:
    """A posterior by name, on the network and with the training that the settings describe."""
    check_name("posterior", name, FACTORIES)
    if not is_classifier(name):
        raise ValueError(
            f"expected a posterior over classes for {settings.dataset!r}, got {name!r}, which is a regression"
        )
    decay = settings.weight_decay
    stopping = None if settings.patience is None else EarlyStopping(settings.patience, settings.evaluate_every)
    network = _network(settings, name, num_classes)
    values = {
        "network": network,
        "likelihood": bal.likelihoods.categorical(),
        "optimizer": _optimizer(settings),
        "num_steps": settings.num_steps,
        "minibatch_size": settings.minibatch_size,
        "weight_decay": (lambda num_labelled: decay / num_labelled) if decay else 0.0,
        "early_stopping": stopping,
        "augment": bal.augmentation.crop_and_flip(padding=4) if settings.augmentation == "crop_and_flip" else None,
        "detach_after": round(settings.detach_at * settings.num_steps),
        "num_members": settings.num_members,
        "steps_between": max(1, settings.num_steps // 20),
        "num_draws": 25,
        "num_chains": 4,
        # A factorised guide of a wide network falls back on its prior, unless that is as wide as the one of mean_field.
        **probabilistic_program(name, network, prior_scale=10.0 if name == "numpyro_svi" else 3.0, noise=None),
        **OF_POSTERIOR.get(name, {}),
    }
    for chosen in ("learning_rate", "temperature"):
        if getattr(settings, chosen) is not None:
            values[chosen] = getattr(settings, chosen)
    return construct(name, values)


def build_learner(settings: Settings, strategy: str, num_classes: int) -> bal.ActiveLearner:
    """The learner of one strategy."""
    check_name("strategy", strategy, bal.strategies.STRATEGIES)
    posterior = build_posterior(settings, settings.posterior, num_classes)
    evaluation = settings.evaluation_posterior
    num_samples = settings.num_samples
    if num_samples is None and posterior.max_samples is None:
        num_samples = 32
    starts = {"restart": None, "warm_start": bal.warm_start, "shrink_and_perturb": bal.shrink_and_perturb()}
    return bal.build(
        posterior,
        bal.strategies.STRATEGIES[strategy](batch_size=settings.batch_size),
        num_samples=num_samples,
        num_initial=settings.num_initial,
        num_rounds=settings.num_rounds,
        initial_set=settings.initial_set,
        start=starts[settings.refit],
        evaluation_posterior=None if evaluation is None else build_posterior(settings, evaluation, num_classes),
        pool_subset_size=settings.pool_subset_size,
        automatic=_automatic(settings),
    )


def build_learners(settings: Settings, strategy: str, num_classes: int) -> list[bal.ActiveLearner]:
    """The learner of each round: the same one, unless rounds differ in their number of steps."""
    if settings.num_epochs is None:
        return [build_learner(settings, strategy, num_classes)] * settings.num_rounds
    learners = []
    for done in range(settings.num_rounds):
        num_labelled = settings.num_initial + done * settings.batch_size
        num_steps = settings.num_epochs * -(-num_labelled // settings.minibatch_size)
        learners.append(build_learner(replace(settings, num_steps=num_steps), strategy, num_classes))
    return learners


def seeds_at_once(settings: Settings) -> int:
    """Seeds in one program: under one ``vmap`` convolutions are slower on a CPU than one after the other."""
    if settings.seeds_at_once is not None:
        return settings.seeds_at_once
    return 1 if settings.network != "mlp" and jax.default_backend() == "cpu" else 10


def check_name(kind: str, name: str, known) -> None:
    """Raise for a name that is not registered, with the nearest that are."""
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=3) or sorted(known)
        raise ValueError(f"expected the name of a {kind}, got {name!r}: nearest are {', '.join(nearest)}")


def _network(settings: Settings, posterior: str, num_classes: int) -> bal.networks.Network:
    if posterior == "mean_field":
        # Gaussian weights have their own layers, in the place of dropout.
        if settings.network == "mlp":
            return bal.networks.variational_mlp(num_outputs=num_classes, hidden_sizes=settings.hidden_sizes)
        return bal.networks.variational_cnn(num_outputs=num_classes)
    if settings.network == "mlp":
        return bal.networks.mlp(
            num_outputs=num_classes, hidden_sizes=settings.hidden_sizes, dropout_rate=settings.dropout_rate
        )
    if settings.network == "resnet18":
        return bal.networks.resnet18(num_outputs=num_classes)
    return bal.networks.cnn(num_outputs=num_classes, variant=settings.network.removeprefix("cnn_"))


def _automatic(settings: Settings) -> bal.Automatic | None:
    if settings.automatic is None:
        return None
    level, rules = settings.automatic_level, bal.autolabel
    if settings.automatic == "entropy_below":
        rule = rules.entropy_below(level, rate=settings.automatic_rate)
    elif settings.automatic == "confidence_above":
        rule = rules.confidence_above(level)
    else:
        rule = rules.risk_controlled(level)
    return bal.Automatic(rule, settings.max_automatic, settings.automatic_weight)


def _optimizer(settings: Settings) -> optax.GradientTransformation:
    rate: float | optax.Schedule = 2e-3 if settings.learning_rate is None else settings.learning_rate
    if settings.drop_at is not None:
        rate = optax.piecewise_constant_schedule(rate, {round(settings.drop_at * settings.num_steps): 0.1})
    optimizer = {"adamw": optax.adamw, "adam": optax.adam, "sgd": partial(optax.sgd, momentum=0.9)}[settings.optimizer]
    return optax.chain(optax.add_decayed_weights(settings.l2), optimizer(rate)) if settings.l2 else optimizer(rate)
