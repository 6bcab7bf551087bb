"""The page of a reader study, answered by keys and mouse in a real browser."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest
from chromium import launch
from playwright.sync_api import sync_playwright
from study_screens import (
    BARRED,
    FILL,
    LAST,
    SPACING,
    TRY_ALL,
    answers,
    begin,
    crop,
    expected,
    picture,
    pictures,
    title,
    where,
)

from LNGenLib.study.page import REACH_MM, Crop, write_page

NAMES = ["a", "b", "c"]
ODD = [
    '</script><script>document.title="broken"</script>',
    "<!--<script>",
    "Düne \\ {{study}} 'ß'\"",
]
identities = (f"test {number}" for number in itertools.count())


@pytest.fixture(scope="module")
def playwright():
    """What starts browsers."""
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="module")
def context(playwright, tmp_path_factory):
    """A browser in which no page asked for anything but itself."""
    with launch(playwright, tmp_path_factory.mktemp("profile")) as context:
        asked = []
        context.on("request", lambda request: asked.append(request.url))
        yield context
    assert asked
    assert all(re.match(r"file:///.*/page\.html$|blob:", url) for url in asked), set(asked)


@pytest.fixture
def opened(context, tmp_path):
    """Opens the page of a study in which no script fails; answers with Playwright's page."""
    errors, pages = [], []

    def open_page(names=NAMES, study=None, setup=None):
        path = tmp_path / "page.html"
        write_page(study or next(identities), [crop(n, i) for i, n in enumerate(names)], path)
        page = context.new_page()
        pages.append(page)
        page.on("pageerror", lambda error: errors.append(error))
        if setup:
            page.add_init_script(setup)
        page.goto(path.as_uri())
        return page

    yield open_page
    for page in pages:
        page.close()
    assert not errors


@pytest.fixture
def reading(opened):
    """A study at its first case."""
    page = opened()
    begin(page)
    return page


def test_each_plane_shows_its_slice_in_true_proportions(reading):
    reading.keyboard.press("m")
    for plane in LAST:
        reading.locator(f"#{plane}").hover()
        for _ in range(3):
            reading.keyboard.press("ArrowDown")
        seen = picture(reading, plane)
        inner = slice(len(seen) // 8, -len(seen) // 8)  # off the letters
        difference = np.abs(seen - expected(plane, 3, len(seen)))[inner, inner]
        assert difference.mean() < 2 and difference.max() < 12, plane


def test_the_wheel_scrolls_the_plane_under_it_and_stops(reading):
    before = pictures(reading)
    for plane, last in LAST.items():
        reading.locator(f"#{plane} canvas").hover()
        reading.mouse.wheel(0, 100)
        reading.wait_for_function(f"+{plane}.ariaValueNow > 0")
        after = pictures(reading)
        assert {name for name in LAST if after[name] != before[name]} == {plane}
        for _ in range(last + 2):
            reading.mouse.wheel(0, -100)
        end = -last * SPACING[list(LAST).index(plane)]
        assert end >= -REACH_MM
        reading.wait_for_function(f"+{plane}.ariaValueNow == {end:.1f}")
        before = pictures(reading)
        reading.keyboard.press("ArrowUp")
        assert where(reading, plane) == pytest.approx(end, abs=0.05)
        assert pictures(reading) == before


def test_arrows_move_the_plane_that_tab_chose(reading):
    reading.mouse.move(5, 5)
    for plane in LAST:
        assert reading.evaluate("document.activeElement.id") == plane
        reading.keyboard.press("ArrowDown")
        reading.keyboard.press("ArrowDown")
        reading.keyboard.press("ArrowUp")
        reading.keyboard.press("Tab")
    assert [where(reading, plane) for plane in LAST] == list(SPACING)


def test_dragging_scrolls_by_mouse_finger_and_slider(reading):
    box = reading.locator("#coronal canvas").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    reading.mouse.move(x, y)
    reading.mouse.down()
    reading.mouse.move(x, y + box["height"] / 4)
    reading.mouse.up()
    reading.mouse.move(x, y)
    assert where(reading, "coronal") == 8  # a quarter of 31 slices of 1 mm
    session = reading.context.new_cdp_session(reading)
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": True})
    for kind, up in (("touchStart", 0), ("touchMove", 0.1), ("touchMove", 0.25)):
        point = {"x": x, "y": y - up * box["height"]}
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert where(reading, "coronal") == 0
    session.send("Emulation.setTouchEmulationEnabled", {"enabled": False})
    slider = reading.locator("#axial input").bounding_box()
    reading.mouse.click(slider["x"] + slider["width"] - 3, slider["y"] + slider["height"] / 2)
    assert where(reading, "axial") == 14
    reading.keyboard.press("ArrowRight")  # of the cases again, not of the slider
    assert title(reading) == "Case 2 of 3" and where(reading, "axial") == 0


def test_the_window_follows_the_right_button_and_the_sliders(reading):
    before = pictures(reading)
    said = reading.locator("#range")
    assert said.inner_text() == "−175 to 250 HU"
    reading.locator("#axial canvas").hover()
    reading.mouse.down(button="right")
    reading.mouse.move(300, 200)
    reading.mouse.move(350, 230)
    reading.mouse.up(button="right")
    dragged = said.inner_text()
    assert dragged != "−175 to 250 HU"
    assert all(pictures(reading)[plane] != before[plane] for plane in LAST)
    reading.keyboard.press("ArrowRight")
    assert title(reading) == "Case 2 of 3" and said.inner_text() == dragged
    reading.keyboard.press("ArrowLeft")
    reading.keyboard.press("R")
    assert said.inner_text() == "−175 to 250 HU" and pictures(reading) == before
    for label, shown in (("Level", "−172 to 253 HU"), ("Width", "−174 to 254 HU")):
        reading.get_by_label(label, exact=True).focus()
        reading.keyboard.press("ArrowRight")
        assert said.inner_text() == shown
    assert pictures(reading)["axial"] != before["axial"]
    reading.get_by_role("button", name="Reset").click()
    assert pictures(reading) == before


def test_the_marker_comes_and_goes(reading):
    before = pictures(reading)
    reading.keyboard.press("m")
    without = pictures(reading)
    assert all(without[plane] != before[plane] for plane in LAST)
    reading.get_by_role("button", name="Marker").click()
    assert pictures(reading) == before


def test_ratings_go_on_and_are_what_is_saved(opened):
    names = ["e", "d", "c", "b", "a", "unanswered"]
    page = opened(names, "study 7")
    page.keyboard.type("Dr. Ä/B")
    page.keyboard.press("Tab")
    page.keyboard.type("12.5")
    page.keyboard.press("Enter")
    for number in range(1, 6):
        assert title(page) == f"Case {number} of 6"
        page.keyboard.press(str(number))
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("button", pressed=True, name="certainly synthetic").is_visible()
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="probably real").click()  # in the place of 4
    page.get_by_role("button", name="Back").click()
    page.get_by_label("Comment").click()
    page.keyboard.type("3 mm, „hilum“?")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Case 1, answered").click()
    assert page.get_by_label("Comment").input_value() == ""
    page.get_by_role("button", name="Forward").click()
    page.get_by_role("button", name="Case 6, open").click()
    page.get_by_label("Comment").fill("not rated")
    saved = answers(page)
    seconds = [answer.pop("seconds") for answer in saved["answers"]]
    assert all(0 <= second < 60 for second in seconds)
    ratings = dict(zip(names, [1, 2, 3, 2, 5]))
    comments = {"b": "3 mm, „hilum“?"}
    assert saved.pop("file") == "answers-Dr-Ä-B.json"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", saved.pop("saved"))
    assert saved == {
        "study": "study 7",
        "reader": "Dr. Ä/B",
        "experience_years": 12.5,
        "answers": [
            {"case": name, "rating": rating, "comment": comments.get(name, "")}
            for name, rating in ratings.items()
        ],
        "answered": 5,
        "of": 6,
    }


def test_the_last_rating_ends_and_a_key_held_down_counts_once(reading):
    for key in "345":
        reading.keyboard.down(key)
        reading.keyboard.down(key)  # what a held key repeats
        reading.keyboard.up(key)
    assert reading.locator("#answered").inner_text() == "3 of 3 cases are answered."
    reading.get_by_role("button", name="Back to the cases").click()
    assert title(reading) == "Case 3 of 3"
    saved = answers(reading)
    assert [answer["rating"] for answer in saved["answers"]] == [3, 4, 5]
    assert saved["experience_years"] is None


def test_seconds_sum_up_over_visits(reading):
    reading.wait_for_timeout(300)
    reading.keyboard.press("1")
    once = answers(reading)["answers"][0]["seconds"]
    reading.wait_for_timeout(300)  # no case is in view
    reading.get_by_role("button", name="Back to the cases").click()
    reading.keyboard.press("ArrowLeft")
    reading.wait_for_timeout(300)
    twice = answers(reading)["answers"][0]["seconds"]
    assert once >= 0.3 and twice >= once + 0.3


def test_answers_stay_over_a_reload_and_belong_to_their_study(opened):
    page = opened(study="kept")
    begin(page)
    page.keyboard.press("2")
    page.get_by_label("Comment").fill("seen")
    page.reload()
    assert page.get_by_text("1 of 3 answered.").is_visible()
    assert page.get_by_label("Your name").input_value() == "Dr. A"
    page.get_by_role("button", name="Continue").click()
    assert title(page) == "Case 2 of 3" and page.get_by_label("Comment").input_value() == "seen"
    other = opened(study="kept too")
    assert other.get_by_role("button", name="Begin").is_visible()
    assert other.get_by_label("Your name").input_value() == ""
    again = opened(["new", "a"], study="kept")  # made anew of other cases
    again.get_by_role("button", name="Continue").click()
    assert again.get_by_role("button", name="Case 2, answered").is_visible()
    assert again.get_by_role("button", name="Case 1, open").is_visible()


def test_answers_stay_when_the_browser_closes(playwright, tmp_path):
    path = tmp_path / "page.html"
    write_page("s", [crop("a"), crop("b")], path)
    with launch(playwright, tmp_path / "profile") as context:
        page = context.new_page()
        page.goto(path.as_uri())
        begin(page)
        page.keyboard.press("4")
    with launch(playwright, tmp_path / "profile") as context:
        page = context.new_page()
        page.goto(path.as_uri())
        page.get_by_role("button", name="Continue").click()
        assert title(page) == "Case 2 of 2"
        assert [answer["rating"] for answer in answers(page)["answers"]] == [4]


def test_starting_anew_asks_first(reading):
    reading.keyboard.press("1")
    reading.get_by_role("button", name="Finish").click()
    reading.once("dialog", lambda dialog: dialog.dismiss())
    reading.get_by_role("button", name="Start anew").click()
    assert reading.locator("#answered").inner_text().startswith("1 of 3")
    reading.once("dialog", lambda dialog: dialog.accept())
    reading.get_by_role("button", name="Start anew").click()
    for _ in range(2):
        assert reading.get_by_role("button", name="Begin").is_visible()
        assert reading.get_by_label("Your name").input_value() == ""
        assert not reading.get_by_role("button", name="Start anew").is_visible()
        reading.reload()


@pytest.mark.parametrize("full", [True, False])
def test_it_says_so_where_nothing_can_be_kept_and_goes_on(opened, full):
    page = opened(setup=None if full else BARRED)
    assert page.get_by_role("alert").is_visible() != full
    if full:
        page.evaluate(FILL)
    begin(page)
    page.keyboard.press("5")
    assert "cannot keep your answers" in page.get_by_role("alert").inner_text()
    assert [answer["rating"] for answer in answers(page)["answers"]] == [5]
    if full:
        page.evaluate("localStorage.clear()")
        page.get_by_role("button", name="Back to the cases").click()
        assert not page.get_by_role("alert").is_visible()


def test_names_are_text_whatever_they_hold(opened):
    page = opened(ODD, study=ODD[0])
    assert page.title() == f"Reader study {ODD[0]}"
    begin(page, ODD[0])
    for name in ODD:
        assert page.locator("#case-name").inner_text() == name
        page.keyboard.press("3")
    page.get_by_role("button", name="Back to the cases").click()
    saved = answers(page)
    assert [answer["case"] for answer in saved["answers"]] == ODD
    assert saved["study"] == saved["reader"] == ODD[0]


def test_the_policy_lets_nothing_in_or_out(playwright, tmp_path):
    path = tmp_path / "page.html"
    write_page("s", [crop("a")], path)
    with launch(playwright, tmp_path / "profile") as context:
        page = context.new_page()
        page.goto(path.as_uri())
        barred = page.evaluate(TRY_ALL)
        assert page.title() == "Reader study s"
    assert sorted(barred) == ["connect-src", "img-src", "script-src-elem"]


def test_forty_cases_are_below_20_mb_and_open(context, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 50, 71, 71), np.uint8)
    spacing = np.array([1.0, 0.7, 0.7])
    crops = [Crop(f"case {i}", voxels, spacing) for i, voxels in enumerate(noise)]
    path = tmp_path / "page.html"
    write_page("forty", crops, path)
    assert path.stat().st_size < 20e6
    page = context.new_page()
    page.goto(path.as_uri())
    begin(page)
    page.get_by_role("button", name="Case 40, open").click()
    assert title(page) == "Case 40 of 40"
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")  # at 1280 x 720
    page.set_viewport_size({"width": 1024, "height": 768})
    assert page.evaluate(
        "[document.documentElement.scrollHeight, document.documentElement.scrollWidth]"
    ) == [768, 1024]
    page.close()
