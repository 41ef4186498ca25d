"""Keys and clicks in a browser are answers of the session; skipped without Chromium and playwright."""

import bal
from tests.labelling.page import open_page
from tests.labelling.test_sessions import KEY, LEARNER, TRUTH
from tests.labelling.test_widget import NAMED, NAMES

FINE = "() => document.querySelectorAll('.bal-sent').length === 0 && !document.querySelector('.bal-fitting')"


def answer(page, key):
    """Press a key on the card that has the focus; returns its point."""
    page.wait_for_function(FINE)
    point = int(page.locator(".bal-card:focus").get_attribute("data-point"))
    page.keyboard.press(key)
    page.wait_for_function(FINE)
    return point


def test_keys_and_clicks_are_answers(browser, tmp_path):
    with bal.labelling.session(LEARNER, NAMED, tmp_path, rng_key=KEY, who="ada", background=True) as session:
        page, errors = open_page(browser, session.widget(), viewport={"width": 400, "height": 700})
        page.keyboard.press("Tab")  # to undo
        page.keyboard.press("u")
        page.wait_for_selector("text=expected an answer to take back")
        page.locator(".bal-card").first.focus()
        first = session.batch()
        given = [answer(page, str(TRUTH[point] + 1)) for point in first[:2]]
        assert given == first[:2]
        page.locator(".bal-card").nth(0).click()
        wrong = (TRUTH[first[0]] + 1) % 3
        page.keyboard.press(str(wrong + 1))
        page.wait_for_function(f"document.querySelector('.bal-given').textContent === {NAMES[wrong]!r}")
        page.keyboard.press("u")  # takes the correction back
        page.wait_for_function(f"document.querySelector('.bal-given').textContent === {NAMES[TRUTH[first[0]]]!r}")
        page.locator(f"[data-point='{first[3]}'] button", has_text=NAMES[TRUTH[first[3]]]).click()
        page.locator(f"[data-point='{first[2]}']").focus()
        # Two answers more than there are cards, faster than the kernel: they must not reach cards that nobody has seen.
        for _ in range(3):
            page.keyboard.press(str(TRUTH[first[2]] + 1))
        page.wait_for_selector("text=round 1 of 3")
        assert session.progress()[:5] == (4, 13, 0, 3, 0)
        batch = session.batch()
        assert answer(page, "c") == batch[0]
        assert answer(page, "s") == batch[1]
        page.keyboard.press("ArrowLeft")
        assert page.locator(".bal-card:focus").get_attribute("data-point") == str(batch[1])
        kinds = {one.point: one.kind for one in session.answers()}
        assert [kinds[point] for point in batch[:2]] == ["cannot tell", "skip"]
        # A class right after an undo, before its reply: it must reach neither this card nor the one that opens again.
        keys = "key => document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }))"
        page.evaluate(f"() => ['u', '1'].forEach({keys})")
        page.wait_for_function(FINE)
        assert batch[1] not in {one.point for one in session.answers()}
        assert set(session.labels()[0].tolist()) == set(first)
        labels = dict(zip(*(values.tolist() for values in session.labels()), strict=True))
        assert labels == {point: TRUTH[point] for point in first}
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        assert page.locator(".bal-card b").count() == 0  # names of classes are no HTML
        assert errors == []
        page.close()
