"""The pieces of the library that settings name: data set, network, posterior, strategy, learner."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import optax

import bal
from bal.posteriors import EarlyStopping, Posterior
from bal.studies.labels import automatic_labels, simulated_oracle
from bal.studies.models import FACTORIES, arguments, is_classifier, probabilistic_program, recipe
from bal.studies.plugins import build_plugin, find_factory, is_plugin, takes_features
from bal.studies.provenance import is_table
from bal.studies.settings import ModelSettings, Settings
from bal.studies.tasks import Task
from bal.validation import check_choice

NETWORKS: dict[str, Callable[..., bal.networks.Network]] = {
    "center_net": bal.networks.center_net,
    "cnn_batchbald": partial(bal.networks.cnn, variant="batchbald"),
    "cnn_gal": partial(bal.networks.cnn, variant="gal"),
    "mlp": bal.networks.mlp,
    "resnet18": bal.networks.resnet18,
    "text_mlp": bal.networks.text_mlp,
    "unet": bal.networks.unet,
}
# The widths of networks that have them.
WIDTHS = {"center_net": (32, 64, 128), "mlp": (128, 128), "text_mlp": (128, 128), "unet": (16, 32, 64)}
# The same layers with Gaussian weights, for mean_field.
VARIATIONAL: dict[str, Callable[..., bal.networks.Network]] = {
    "cnn_gal": bal.networks.variational_cnn,
    "mlp": bal.networks.variational_mlp,
}
# They measure distances in the embedding, which residual layers keep.
DISTANCE_AWARE = ("ddu", "sngp")
# Standard deviation of the noise of standardised labels, for posteriors that do not learn it.
ASSUMED_NOISE = 0.5


def load_dataset(settings: Settings) -> bal.Dataset:
    """The data set with its variants, on the device."""
    data = settings.data
    dataset = _load(settings)
    if data.normalise:
        dataset = bal.datasets.normalised(dataset)
    key_subset, key_validation, key_noise = jax.random.split(
        jax.random.fold_in(jax.random.key(settings.run.seed), 1), 3
    )
    if data.num_pool is not None or data.num_test is not None:
        dataset = bal.datasets.subset(key_subset, dataset, num_pool=data.num_pool, num_test=data.num_test)
    if data.num_validation:
        dataset = bal.datasets.hold_out_validation(key_validation, dataset, num_validation=data.num_validation)
    if data.num_calibration:
        key_calibration = jax.random.fold_in(key_validation, 1)
        dataset = bal.datasets.hold_out_calibration(key_calibration, dataset, num_calibration=data.num_calibration)
    if data.copies > 1:
        dataset = bal.datasets.repeated(key_noise, dataset, copies=data.copies, noise=data.noise)
    if data.grid is not None:
        dataset = bal.datasets.by_region(dataset, grid=data.grid)
    return jax.device_put(dataset)


def seed_key(settings: Settings, seed: int) -> bal.types.RngKey:
    """The key of one run; the same for all strategies, so that they are paired."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(settings.run.seed), 2), seed)


def build_posterior(settings: Settings, name: str, task: Task) -> Posterior:
    """A posterior by name, on the network and with the training that the settings describe."""
    factory, model = find_factory("posterior", name, FACTORIES), settings.model
    if task.classes and not is_plugin(name) and not is_classifier(factory):
        raise ValueError(
            f"expected a posterior over classes for {settings.data.dataset!r}, got {name!r}, which is a regression"
        )
    decay = model.weight_decay
    stopping = None if model.patience is None else EarlyStopping(model.patience, model.evaluate_every)
    _check_network(model, task)
    network = build_network(model, name, task)
    if settings.data.grid is not None:
        network = bal.networks.on_regions(network)
    values = {
        "network": network,
        "likelihood": task.likelihood,
        "optimizer": _optimizer(model),
        "num_outputs": task.num_outputs,
        "num_steps": model.num_steps,
        "minibatch_size": model.minibatch_size,
        "weight_decay": (lambda num_labelled: decay / num_labelled) if decay else 0.0,
        "early_stopping": stopping,
        "augment": bal.augmentation.crop_and_flip(padding=4) if model.augmentation == "crop_and_flip" else None,
        "detach_after": round(model.detach_at * model.num_steps),
        "num_members": model.num_members,
        "steps_between": max(1, model.num_steps // 20),
        "num_draws": 25,
        "num_chains": 4,
        # A factorised guide of a wide network falls back on its prior, unless that is as wide as the one of mean_field.
        **probabilistic_program(
            factory,
            network,
            prior_scale=10.0 if name == "numpyro_svi" else 3.0,
            noise=None if task.classes else ASSUMED_NOISE,
        ),
        **recipe(name, classes=task.classes, thorough=False),
    }
    for chosen in ("learning_rate", "temperature"):
        if getattr(model, chosen) is not None:
            values[chosen] = getattr(model, chosen)
    if model.learning_rate is not None:
        values["optimizer"] = _optimizer(model)
    posterior = build_plugin("posterior", name, factory, Posterior, **arguments(name, factory, values))
    if not task.classes and not is_plugin(name) and not is_classifier(factory):
        # Such a posterior has a likelihood of labels without a unit. Metrics do not read its parameters.
        return posterior._replace(likelihood=values["likelihood"])
    return posterior


def build_network(model: ModelSettings, posterior: str, task: Task) -> bal.networks.Network:
    """The network of a posterior; Gaussian weights and distances need layers of their own."""
    name = model.network
    factory = find_factory("network", name, NETWORKS)
    if posterior == "mean_field" and not is_plugin(name):
        check_choice("network of posterior 'mean_field'", name, VARIATIONAL)
        factory = VARIATIONAL[name]
    values: dict[str, Any] = {
        "num_outputs": task.num_outputs,
        "num_classes": task.num_classes,
        "residual": posterior in DISTANCE_AWARE,
    }
    if name in WIDTHS or is_plugin(name):
        # The other networks have sizes and rates of their papers.
        widths = model.hidden_sizes or WIDTHS.get(name, WIDTHS["mlp"])
        values |= {"hidden_sizes": widths, "widths": widths, "dropout_rate": model.dropout_rate}
    return build_plugin("network", name, factory, bal.networks.Network, **arguments(name, factory, values))


def build_learner(settings: Settings, strategy: str, task: Task, *, num_steps: int | None = None) -> bal.ActiveLearner:
    """The learner of one strategy; with another number of steps where a round has its own."""
    if num_steps is not None:
        settings = settings.with_values(num_steps=num_steps)
    model, run = settings.model, settings.run
    posterior = build_posterior(settings, model.posterior, task)
    evaluation = model.evaluation_posterior
    starts = {"restart": None, "warm_start": bal.warm_start, "shrink_and_perturb": bal.shrink_and_perturb()}
    factory = find_factory("strategy", strategy, bal.strategies.STRATEGIES)
    chosen: dict[str, Any] = {"batch_size": run.batch_size}
    if run.aggregate is not None and "aggregate" in inspect.signature(factory).parameters:
        chosen["aggregate"] = run.aggregate
    if run.features is not None and takes_features(factory):
        chosen["features"] = run.features
    built = build_plugin("strategy", strategy, factory, bal.Strategy, **chosen)
    if settings.oracle.relabel:
        again = settings.oracle
        built = bal.strategies.relabelling(built, most=again.relabel, certainty=again.relabel_certainty)
    return bal.build(
        posterior,
        built,
        num_samples=model.num_samples,
        num_initial=run.num_initial,
        num_rounds=run.num_rounds,
        initial_set=run.initial_set,
        start=starts[model.refit],
        evaluation_posterior=None if evaluation is None else build_posterior(settings, evaluation, task),
        pool_subset_size=run.pool_subset_size,
        automatic=automatic_labels(settings.labelling),
        stop=None if run.stop_set_size is None else bal.Stop(run.stop_set_size),
        oracle=simulated_oracle(settings.oracle, task),
        runs_at_once=run.seeds_at_once or 1,
    )


def _check_network(model: ModelSettings, task: Task) -> None:
    name, wanted = model.network, "center_net" if task.boxes else "unet" if task.dense else None
    if wanted is not None and model.augmentation != "none":
        raise ValueError(
            f"expected --augmentation none for labels with places in an image, got {model.augmentation!r}: it would "
            "move images and not their labels"
        )
    if is_plugin(name) or name == wanted or (wanted is None and name not in ("center_net", "unet")):
        return
    if wanted is not None:
        labels = "boxes of objects" if task.boxes else "a label at each position"
        raise ValueError(f"expected --network {wanted}, or module:factory, for {labels}, got {name!r}")
    raise ValueError(f"expected a network for one label a point, such as mlp, got {name!r}")


def build_learners(settings: Settings, strategy: str, task: Task) -> list[bal.ActiveLearner]:
    """The learner of each round: the same one, unless rounds differ in their number of steps."""
    model, run = settings.model, settings.run
    if model.num_epochs is None:
        return [build_learner(settings, strategy, task)] * run.num_rounds
    labels = [run.num_initial + done * run.batch_size for done in range(run.num_rounds)]
    steps = [model.num_epochs * -(-num_labelled // model.minibatch_size) for num_labelled in labels]
    # Rounds of one length share a learner, and with it a program.
    learners = {each: build_learner(settings, strategy, task, num_steps=each) for each in dict.fromkeys(steps)}
    return [learners[each] for each in steps]


def _load(settings: Settings) -> bal.Dataset:
    data = settings.data
    if is_plugin(data.dataset):
        factory: Callable[..., Any] = find_factory("dataset", data.dataset, bal.datasets.OFFLINE)
        return build_plugin("dataset", data.dataset, factory, bal.Dataset)
    if is_table(data.dataset):
        test = data.test_column if data.test_column is not None else data.test_fraction
        given: dict[str, Any] = {} if test is None else {"test": test}
        return bal.datasets.from_table(data.dataset, target=data.target, seed=settings.run.seed, **given)
    return bal.datasets.load(
        data.dataset,
        task=data.task,
        image_size=data.image_size,
        data_dir=data.data_dir,
        download=data.data_dir is None,
        on_disk=data.on_disk,
    )


def _optimizer(model: ModelSettings) -> optax.GradientTransformation:
    rate: float | optax.Schedule = 2e-3 if model.learning_rate is None else model.learning_rate
    if model.drop_at is not None:
        rate = optax.piecewise_constant_schedule(rate, {round(model.drop_at * model.num_steps): 0.1})
    optimizer = {"adamw": optax.adamw, "adam": optax.adam, "sgd": partial(optax.sgd, momentum=0.9)}[model.optimizer]
    return optax.chain(optax.add_decayed_weights(model.l2), optimizer(rate)) if model.l2 else optimizer(rate)
