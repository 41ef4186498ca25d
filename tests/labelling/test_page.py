"""Keys and clicks in a browser are answers of the session; skipped without Chromium and playwright."""

import numpy as np

import bal
from tests.labelling.page import open_page
from tests.labelling.test_sessions import KEY, LEARNER, TRUTH
from tests.labelling.test_widget import NAMED, NAMES, OF_NUMBERS
from tests.labelling.test_widget_of_tasks import begun

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
        # Jupyter reads no key of what can have the focus.
        marked = "(nodes) => nodes.every((node) => node.hasAttribute('data-lm-suppress-shortcuts'))"
        assert page.eval_on_selector_all(".bal-label, .bal-label [tabindex], .bal-label button", marked)
        page.keyboard.press("Tab")  # to undo
        page.keyboard.press("u")
        page.wait_for_selector("text=expected an answer to take back")
        first = session.batch()
        session.answer(TRUTH[first[0]], point=first[0])  # in another window
        page.locator(".bal-card").first.focus()
        page.keyboard.press("1")
        page.wait_for_selector("text=another window has said")
        page.keyboard.press("u")
        page.wait_for_function(FINE)
        page.locator(".bal-card").first.focus()
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


def begin(page):
    page.locator(".bal-card").first.focus()
    return page.locator(".bal-card:focus")


def held(session, point):
    return {answer.point: answer.label for answer in session.answers()}.get(point)


def test_several_labels_are_switched_by_keys_and_sent_by_enter(browser, tmp_path):
    with begun("labels", tmp_path) as session:
        page, errors = open_page(browser, session.widget(), viewport={"width": 400, "height": 700})
        card = begin(page)
        first, second = session.batch()[:2]
        for key in ("1", "2", "2", "3"):
            page.keyboard.press(key)
        assert card.locator("[aria-pressed='true']").all_text_contents() == ["1 red, or so", "3 <c>"]
        assert answer(page, "Enter") == first
        assert held(session, first) == [1, 0, 1]
        # A click leaves the keys with the card, so that Enter sends and does not press the button again.
        page.locator(f"[data-point='{second}'] button", has_text="b").first.click()
        assert answer(page, "Enter") == second
        assert held(session, second) == [0, 1, 0]
        page.keyboard.press("u")
        page.wait_for_function(FINE)
        assert held(session, second) is None
        assert (errors, page.evaluate("document.documentElement.scrollWidth")) == ([], 400)
        page.close()


def test_numbers_are_typed_and_a_card_shows_that_its_answer_was_refused(browser, tmp_path):
    with bal.labelling.session(*OF_NUMBERS, tmp_path, rng_key=KEY) as session:
        page, errors = open_page(browser, session.widget(), viewport={"width": 400, "height": 700})
        first, second = session.batch()
        page.locator(f"[data-point='{first}'] input").focus()
        page.keyboard.type("1,3")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=expected a number, got '1,3'")
        assert page.locator(".bal-refused").get_attribute("data-point") == str(first)
        assert page.locator(".bal-card:focus-within").get_attribute("data-point") == str(second)
        page.locator(f"[data-point='{first}'] input").fill("13")
        page.keyboard.press("Enter")
        page.wait_for_function(FINE)
        assert held(session, first) == 1.5
        assert page.locator(".bal-refused").count() == 0
        page.keyboard.press("Escape")
        page.keyboard.press("u")
        page.wait_for_function("document.querySelectorAll('.bal-answered').length === 0")
        assert held(session, first) is None
        assert (errors, page.evaluate("document.documentElement.scrollWidth")) == ([], 400)
        page.close()


def test_colours_are_those_of_the_page(browser, tmp_path):
    jupyter = "--jp-layout-color1: rgb(1, 1, 1);"  # which notebooks of VS Code set too, whatever their theme
    pages = {
        "": "rgb(255, 255, 255)",
        "color-scheme: dark;": "rgb(22, 24, 28)",  # marimo's dark theme
        jupyter: "rgb(1, 1, 1)",
        f"{jupyter} --vscode-editor-background: rgb(2, 2, 2);": "rgb(2, 2, 2)",
    }
    with bal.labelling.session(*OF_NUMBERS, tmp_path, rng_key=KEY) as session:
        page, errors = open_page(browser, session.widget())
        for style, colour in pages.items():
            page.evaluate("style => document.documentElement.setAttribute('style', style)", style)
            assert page.evaluate("getComputedStyle(document.querySelector('.bal-label')).backgroundColor") == colour
        assert errors == []
        page.close()


def test_boxes_are_accepted_corrected_and_drawn_and_the_mask_too(browser, tmp_path):
    with begun("boxes", tmp_path / "b") as session:
        page, errors = open_page(browser, session.widget(), viewport={"width": 400, "height": 900})
        card = begin(page)
        cards = session.cards()
        point, guess = cards[0].point, cards[0].guess
        assert card.locator(".bal-box").count() == guess["present"].sum() == 2
        assert answer(page, "Enter") == point
        boxes, classes, present = held(session, point)
        assert (boxes[:2], classes[:2]) == (guess["boxes"][:2].tolist(), guess["classes"][:2].tolist())
        page.locator(f"[data-point='{point}'] .bal-head").click()
        for key in ("n", "x", "n", str(2 - guess["classes"][0])):  # the second is none, the first of the other class
            page.keyboard.press(key)
        page.keyboard.press("x")
        page.keyboard.press("x")  # an object of the other class after all
        answer(page, "Enter")
        boxes, classes, present = held(session, point)
        assert (boxes[0], classes[0]) == (guess["boxes"][0].tolist(), 1 - guess["classes"][0])
        assert present == [True, False, False, False]
        point = cards[1].point
        stack = page.locator(f"[data-point='{point}'] .bal-stack")
        stack.scroll_into_view_if_needed()
        place = stack.bounding_box()
        page.mouse.move(place["x"] + place["width"] / 4, place["y"] + place["height"] / 2)
        page.mouse.down()
        page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"], steps=3)
        page.mouse.up()
        page.keyboard.press("1")
        answer(page, "Enter")
        boxes, classes, present = held(session, point)
        last = sum(present) - 1
        assert sum(present) == cards[1].guess["present"].sum() + 1
        assert classes[last] == 0
        np.testing.assert_allclose(boxes[last], [4, 2, 8, 4], atol=0.05)
        assert (errors, page.evaluate("document.documentElement.scrollWidth")) == ([], 400)
        page.close()
    with begun("mask", tmp_path / "m") as session:
        page, errors = open_page(browser, session.widget(), viewport={"width": 400, "height": 900})
        begin(page)
        cards = session.cards()
        assert answer(page, "Enter") == cards[0].point
        assert held(session, cards[0].point) == cards[0].guess.tolist()
        page.keyboard.press("n")
        page.keyboard.press("3")  # the second class is replaced by the third
        assert answer(page, "Enter") == cards[1].point
        assert held(session, cards[1].point) == np.where(cards[1].guess == 1, 2, cards[1].guess).tolist()
        assert (errors, page.evaluate("document.documentElement.scrollWidth")) == ([], 400)
        page.close()
