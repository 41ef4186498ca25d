"""A session of labelling is the run of ask and tell with the same answers, however often it is interrupted."""

import jax
import numpy as np
import pytest

import bal
from tests.prototypes import class_means
from tests.test_loop import DATASET

KEY = jax.random.key(0)
TRUTH = np.asarray(DATASET.pool_labels).tolist()
LEARNER = bal.build(class_means(), bal.strategies.bald(batch_size=3), num_samples=4, num_initial=4, num_rounds=3)
ASK = jax.jit(LEARNER.ask)


@pytest.fixture
def opened(tmp_path):
    """Opens the session in a folder; all are closed in the end."""
    sessions = []

    def open_one(**settings):
        for former in sessions:
            former.close()
        sessions.append(bal.labelling.session(LEARNER, DATASET, tmp_path / "s", **{"rng_key": KEY, **settings}))
        return sessions[-1]

    yield open_one
    sessions[-1].close()


def answer_all(session, count=None):
    """True answers to the next points; returns the points in their order."""
    points = []
    while len(points) != count and (card := session.next()):
        session.answer(TRUTH[card.point])
        points.append(card.point)
    return points


def assert_same_bits(a, b):
    for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        assert x.dtype == y.dtype
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes()


def told(batches, first):
    """The states of ask and tell with these answers, and the batches asked for."""
    state = LEARNER.init(KEY, DATASET, initial=first)
    asked = []
    for answers, never in batches:
        state, info = ASK(KEY, state, DATASET)
        asked.append(info.selection.indices.tolist())
        given = [point for point in asked[-1] if point in answers]
        state = LEARNER.tell(state, np.array(given), np.array([answers[point] for point in given]))
        corrected = [point for point in answers if point not in asked[-1]]
        if corrected:
            state = LEARNER.tell(state, np.array(corrected), np.array([answers[point] for point in corrected]))
        if never:
            state = LEARNER.skip(state, np.array(never))
    return state, asked


def test_true_answers_give_the_simulation_bit_for_bit(opened):
    session = opened()
    points = answer_all(session)
    state = LEARNER.init(KEY, DATASET)
    asked = state.pool.indices[:4].tolist()
    for _ in range(3):
        state, info = ASK(KEY, state, DATASET)
        state = LEARNER.tell(state, info.selection.indices, DATASET.pool_labels[info.selection.indices])
        asked += info.selection.indices.tolist()
    assert points == asked
    assert_same_bits(session.state(), state)
    indices, labels = session.labels()
    assert_same_bits((indices, labels), (state.pool.indices, state.pool.labels))
    assert session.next() is None
    progress = session.progress()
    assert progress[:6] == (13, 13, 2, 3, 3, 3)
    assert progress.metrics["accuracy"] == float(info.metrics["accuracy"])


def test_skips_corrections_and_undone_answers_are_those_of_tell_and_skip(opened):
    session = opened()
    put_off = session.next().point
    session.skip()
    first = answer_all(session, 4)
    assert put_off not in first
    batch = [card.point for card in session.cards()]
    session.answer(TRUTH[batch[2]], point=batch[2])
    session.cannot_tell(point=batch[0])
    wrong = (TRUTH[first[1]] + 1) % 3
    session.correct(first[1], wrong)
    session.answer(0)  # completes the batch, and is taken back
    assert session.progress().round == 1
    assert session.undo() == batch[1]
    assert session.progress()[2:5] == (0, 3, 2)
    session.answer(TRUTH[batch[1]])
    second = answer_all(session, 3)
    answers = {batch[2]: TRUTH[batch[2]], batch[1]: TRUTH[batch[1]], first[1]: wrong}
    start = np.array(first), np.array([TRUTH[point] for point in first])
    state, asked = told([(answers, batch[:1]), ({point: TRUTH[point] for point in second}, [])], start)
    assert asked == [batch, second]
    assert_same_bits(ASK(KEY, state, DATASET)[0], session._fitting.last_state(session._fitting.kept()))
    assert not session.state().pool.available[batch[0]]


def test_an_undo_reaches_back_over_rounds(opened):
    session = opened()
    points = answer_all(session, 11)
    for point in reversed(points[2:]):
        assert session.undo() == point
    assert session.progress()[:5] == (2, 13, None, 3, 2)
    assert answer_all(session, 9) == points[2:]
    for _ in range(11):
        session.undo()
    with pytest.raises(ValueError, match="expected an answer to take back"):
        session.undo()


def test_what_is_opened_again_goes_on_where_it_ended(opened, tmp_path):
    points = []
    for count in (3, 2, 4, 1, 3):
        points += answer_all(opened(), count)
    state = opened().state()
    files = sorted(path.name for path in (tmp_path / "s").glob("round*"))
    assert files == ["round_1.npz", "round_2.npz"]
    for path in (tmp_path / "s").glob("round*"):
        path.unlink()  # computed again, from the journal alone
    again = opened()
    assert_same_bits(again.state(), state)
    assert again.labels()[0].tolist() == points
    (tmp_path / "s" / "round_2.npz").write_bytes(b"damaged")
    again = opened()
    with pytest.warns(UserWarning, match="damaged file .*computed again from the journal"):
        assert_same_bits(again.state(), state)


def test_a_fit_in_a_thread_gives_the_same_batches(opened, tmp_path):
    points = answer_all(opened())
    with bal.labelling.session(LEARNER, DATASET, tmp_path / "t", rng_key=KEY, background=True) as session:
        assert answer_all(session, 4) == points[:4]
        session.undo()
        assert answer_all(session) == points[3:]


def test_a_round_is_compiled_while_the_first_labels_are_given(tmp_path):
    with bal.labelling.session(LEARNER, DATASET, tmp_path / "t", rng_key=KEY, background=True) as session:
        session._fitting._thread.submit(lambda: None).result()
        compiled = []

        def listen(event, seconds, **about):
            if event.endswith("backend_compile_duration"):
                compiled.append(about["fun_name"])

        jax.monitoring.register_event_duration_secs_listener(listen)
        answer_all(session)
        jax.monitoring.unregister_event_duration_listener(listen)
        assert "jit(ask)" not in compiled


def test_cards_say_what_the_model_thinks(opened):
    session = opened()
    assert session.next().guess is None
    answer_all(session, 4)
    card = session.next()
    state = session._fitting.last_state(session._fitting.kept())
    view = LEARNER.view(KEY, state, DATASET)
    log_probs = view.predict(DATASET.pool_inputs[card.point][None])
    probabilities = np.exp(np.asarray(log_probs, np.float64)).mean(axis=0)[0]
    np.testing.assert_allclose(card.probabilities, probabilities, rtol=1e-4)
    assert card.guess == probabilities.argmax()
    np.testing.assert_allclose(card.uncertainty, -(probabilities * np.log(probabilities)).sum(), rtol=1e-3)
    np.testing.assert_allclose(card.epistemic, card.score, rtol=1e-3)
    np.testing.assert_allclose(card.epistemic + card.aleatoric, card.uncertainty, rtol=1e-5)
    embedded = np.asarray(DATASET.pool_inputs @ state.posterior.T)
    held = np.asarray(state.pool.indices[:4])
    distances = np.linalg.norm(embedded[held] - embedded[card.point], axis=1)
    nearest = held[np.argsort(distances)[:3]]
    assert [neighbour.point for neighbour in card.neighbours] == nearest.tolist()
    assert [int(neighbour.label) for neighbour in card.neighbours] == [TRUTH[point] for point in nearest]
    np.testing.assert_allclose(card.neighbours[0].distance, distances.min(), rtol=1e-4)
    np.testing.assert_array_equal(card.inputs, DATASET.pool_inputs[card.point])
    assert session.card(int(held[0])).score is None
