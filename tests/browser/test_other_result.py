"""Another result takes the place of the former one, and nothing of that stays on the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from segmo.ui.text import TABS
from tests.browser.test_app import open_tab, states

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


def choose(page: Page, title: str, name: str) -> None:
    page.locator("#example label", has_text=title).click()
    expect(page.locator(".copy-link")).to_have_attribute("data-result", name)


def test_what_was_changed_and_not_applied_does_not_pass_to_another_result(open_page: OpenPage) -> None:
    page = open_page()
    button = page.locator("#apply-objects")
    plain = button.evaluate("(b) => getComputedStyle(b).backgroundColor")
    page.get_by_label("Name of object 1", exact=True).fill("fox")
    page.locator("#objects .object-on").first.uncheck()
    page.locator("#objects .object-into").first.select_option(index=1)
    page.locator("#objects .object-delete").first.click()
    choose(page, "Stops and starts", "stop_and_start")
    expect(page.get_by_label("Name of object 1", exact=True)).to_have_value("Object 1")
    expect(page.locator("#objects .object-on")).to_be_checked()
    expect(page.locator("#objects .object-delete")).to_have_text("Delete")
    expect(button).to_have_css("background-color", plain)
    choose(page, "Two that cross", "two_crossing")
    expect(page.locator("#objects .object-into").first).to_have_value("0")
    assert '"deleted":true' not in page.evaluate("() => window.segmoObjects()")


def test_of_examples_chosen_fast_the_last_is_shown(open_page: OpenPage) -> None:
    page = open_page()
    for title in ("Stops and starts", "Only the camera moves", "Small and fast"):
        page.locator("#example label", has_text=title).click()
    expect(page.locator(".copy-link")).to_have_attribute("data-result", "small_fast", timeout=20_000)


def test_an_example_chosen_during_a_run_has_its_own_steps(open_page: OpenPage) -> None:
    page = open_page()
    page.locator("#run").click()
    expect(page.locator(".step.running")).to_be_visible(timeout=60_000)
    choose(page, "Small and fast", "small_fast")
    page.wait_for_timeout(1500)
    assert set(states(page).values()) == {"done"} and page.locator("#run").is_visible()


def test_points_and_histogram_begin_with_the_threshold_of_the_result(open_page: OpenPage) -> None:
    page = open_page()
    open_tab(page, TABS["motion"])
    expect(page.locator(".live-count")).to_contain_text("at 0.50")
    page.locator(".live-threshold").fill("0.9")
    expect(page.locator("#histogram .at")).to_have_text("threshold 0.90")
    choose(page, "Stops and starts", "stop_and_start")
    expect(page.locator(".live-count")).to_contain_text("at 0.50")
    expect(page.locator("#histogram .at")).to_have_text("threshold 0.50")
    assert "stop_and_start" in str(page.locator(".live-view img").get_attribute("src"))


def test_players_are_compared_as_before(open_page: OpenPage) -> None:
    page = open_page()
    page.get_by_label("Compare by sliding").check()
    page.get_by_label("Share of the original that is shown").fill("25")
    choose(page, "Stops and starts", "stop_and_start")
    left, right = page.locator("#compare figure.original"), page.locator("#compare figure.overlay")
    expect(left.locator("video[src*='stop_and_start/view/original']")).to_be_visible()
    assert left.bounding_box() == right.bounding_box()
    assert "75%" in left.evaluate("(figure) => getComputedStyle(figure).clipPath")


def test_the_answer_to_a_press_is_on_the_screen(open_page: OpenPage) -> None:
    """Run stays in sight in the settings, far below the message that answers it."""
    page = open_page(1280, 700)
    page.wait_for_function(  # the page grows for a while
        "() => { scrollTo(0, document.body.scrollHeight); return document.querySelector('#steps').getBoundingClientRect().bottom < 0; }"
    )
    page.locator("#setting-threshold :is(textarea, input)").fill("much")
    page.locator("#run").click()
    expect(page.locator("#message .error")).to_be_in_viewport()
