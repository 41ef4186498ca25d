"""Open a session: check what is given, then the journal, before anything is fitted."""

import getpass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import jax
import jax.numpy as jnp

from bal.labelling._fitting import Fitting
from bal.labelling._identity import header, project
from bal.labelling._journal import open_journal
from bal.labelling._labels import blank_state, first_labels, label_like
from bal.labelling._rounds import Rounds
from bal.labelling._session import Session
from bal.loop import ActiveLearner
from bal.sources import Source
from bal.types import Dataset

_OPEN: WeakValueDictionary[Path, Fitting] = WeakValueDictionary()  # sessions of this process, by folder


def session(
    learner: ActiveLearner,
    dataset: Dataset,
    path: str | Path,
    *,
    rng_key: Any,
    who: str | None = None,
    background: bool = False,
) -> Session:
    """Label a pool by hand, over days: the same run as :func:`bal.run`, with a person as the oracle.

    The first labels are asked for at random places, those of a simulation with the same key, and then the batches of
    the learner. Answers are on the disk at once, in a journal that is only ever appended to; opening the same path goes
    on where it ended, and closes a session that this process has on it, so that a cell of a notebook may be run again.
    Labels and batches are those of ``init``, ``ask`` (compiled) and ``tell`` with the same answers, bit for bit. Pool
    labels of the data set are not read.

    Args:
      learner: from :func:`bal.build`.
      dataset: pool, and a test set to report on.
      path: folder of the session, which is made if it does not exist.
      rng_key: the key of the run, one key or ``bal.Keys``, the same whenever the session is opened.
      who: the person; None takes the name of the computer's user.
      background: fit in a thread: the answer that completes a batch returns at once, and the next call that needs the
        batch waits.

    Returns:
      The session. ``close`` it, or use it in a ``with`` statement, before another process opens it.

    Raises:
      ValueError: a data set that does not match the learner or does not say what a label is, the folder of another
        session, one that another process holds, or a damaged journal.
      ImportError: filelock is missing.

    Example:
      >>> import tempfile, optax, bal
      >>> dataset = bal.datasets.load("two_moons")
      >>> network = bal.networks.mlp(num_outputs=2, hidden_sizes=(8,), dropout_rate=0.1)
      >>> posterior = bal.posteriors.mc_dropout(
      ...     network, bal.likelihoods.categorical(), optax.adam(1e-2), num_steps=5, minibatch_size=4
      ... )
      >>> learner = bal.build(posterior, bal.strategies.bald(batch_size=2), num_initial=2, num_rounds=1)
      >>> with session(learner, dataset, tempfile.mkdtemp(), rng_key=jax.random.key(0), who="ada") as labelling:
      ...     while card := labelling.next():
      ...         labelling.answer(int(card.inputs[0] > 0))
      ...     len(labelling.labels()[0])
      4
    """
    if isinstance(dataset.pool_inputs, Source):
        raise ValueError("expected arrays as pool_inputs of a session, got a pool on disk: use learner.ask and tell")
    like = label_like(dataset)
    dataset = jax.tree.map(jnp.asarray, dataset._replace(pool_labels=None))
    template = jax.eval_shape(lambda: learner.init(rng_key, dataset, initial=first_labels(learner, like)))
    blank = blank_state(template, like)
    folder = Path(path)
    first = header(learner, dataset, rng_key, template)
    earlier = _OPEN.get(folder.resolve())
    if earlier is not None:
        earlier.close()
    journal = open_journal(folder, first)
    rounds = Rounds(learner, dataset, rng_key, like, folder)
    fitting = Fitting(journal, rounds, num_rounds=learner.num_rounds, background=background)
    _OPEN[folder.resolve()] = fitting
    return Session(learner, dataset, rng_key, fitting, blank, who=who or _user(), project=project(first))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return "unknown"
