"""The page for people who use a keyboard or a screen reader, who want nothing to move by itself, or who need contrast."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect
from test_app import RUN_MS, open_tab, wait_for_videos

from segmo.ui.text import TABS

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]

NAMELESS = """() => {
    const named = (ids) => (ids || "").split(" ").map((id) => document.getElementById(id)?.textContent || "").join("");
    const name = (e) => e.ariaLabel || e.title || e.alt || named(e.getAttribute("aria-labelledby"))
        || [...(e.labels || [])].map((label) => label.textContent).join("") || e.textContent;
    const all = "button, input, select, textarea, video, img, canvas, a[href], [role=tab], [role=img]";
    const shown = [...document.querySelectorAll(all)].filter((e) => e.getClientRects().length);
    return shown.filter((e) => !name(e).trim()).map((e) => e.outerHTML.slice(0, 200));
}"""

FAINT = """() => {
    const channels = (colour) => {
        const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
        pen.fillStyle = colour;
        pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
        return [r, g, b, a / 255];
    };
    const over = ([r, g, b, a], below) => [r, g, b].map((c, i) => c * a + below[i] * (1 - a));
    const behind = (e) => over(channels(getComputedStyle(e).backgroundColor), e.parentElement ? behind(e.parentElement) : [255, 255, 255]);
    const light = (colour) => {
        const [r, g, b] = colour.map((c) => (c / 255 <= 0.04045 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const opacity = (e) => (e ? getComputedStyle(e).opacity * opacity(e.parentElement) : 1);
    const PICTURES = ":disabled, figure.original, figure.overlay, .block:has(video) .controls";
    const faint = [];
    for (const e of document.querySelectorAll("#masthead *, #page *")) {
        const text = [...e.childNodes].filter((n) => n.nodeType === Node.TEXT_NODE).map((n) => n.data).join("").trim();
        if (!text || !e.checkVisibility({ checkVisibilityCSS: true }) || e.closest(PICTURES)) continue;
        const style = getComputedStyle(e), ground = behind(e), ink = channels(style.color);
        ink[3] *= opacity(e);
        const [low, high] = [light(over(ink, ground)), light(ground)].sort((a, b) => a - b);
        const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.6 && style.fontWeight >= 600);
        const ratio = (high + 0.05) / (low + 0.05);
        if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)} ${text.slice(0, 40)} (${e.tagName} ${e.className})`);
    }
    return [...new Set(faint)];
}"""


def press_until(page: Page, name: str, key: str = "Tab", most: int = 80) -> None:
    """Go on with the keyboard until something of that name has the focus, and can be seen to have it."""
    for _ in range(most):
        page.keyboard.press(key)
        focused: Any = page.evaluate(
            "() => { const e = document.activeElement; return [e.ariaLabel || [...(e.labels || [])].map((l) => l.textContent).join('')"
            " || e.textContent, getComputedStyle(e).outlineStyle]; }"
        )
        if focused[0].strip().startswith(name):
            assert focused[1] != "none", f"the focus on {name} cannot be seen"
            return
    pytest.fail(f"The keyboard does not reach {name}.")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_every_word_can_be_read(open_page: OpenPage, scheme: str) -> None:
    page = open_page(scheme=scheme)
    wait_for_videos(page, "#compare", 2)
    # Gradio's own clock of an answer under way fades in and out; on a slow computer it is still there.
    page.wait_for_function("![...document.querySelectorAll('.progress-text')].some((clock) => clock.checkVisibility())")
    for title in TABS.values():
        open_tab(page, title)
        page.wait_for_timeout(200)
        assert page.evaluate(NAMELESS) == [], title
        assert page.evaluate(FAINT) == [], title


def test_the_keyboard_is_enough(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_videos(page, "#compare", 2)
    press_until(page, "Only the camera moves")
    page.keyboard.press("Space")
    expect(page.locator("#objects")).to_contain_text("Nothing moves in this clip", timeout=RUN_MS)
    press_until(page, "Run")
    press_until(page, "Frames")
    page.keyboard.press("Enter")
    expect(page.locator("#frames_gallery")).to_be_visible()


def test_corrections_need_no_mouse(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_videos(page, "#compare", 2)
    press_until(page, "Correct by clicking")
    page.keyboard.press("Enter")
    expect(page.locator("#correct-note")).to_contain_text("No clicks yet", timeout=20_000)
    across = page.locator("#correct-across input[type=range]")
    assert page.get_by_label("From the left, %").count() and page.get_by_label("From the top, %").count()
    across.focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    expect(across).to_have_value("52")
    press_until(page, "Click there")
    page.keyboard.press("Enter")
    expect(page.locator("#correct-note")).to_contain_text("1 click, 1 on this frame", timeout=20_000)
    page.get_by_role("button", name="Advanced").click()
    expect(page.get_by_label("Corrections")).to_have_value(re.compile(r"^\d+,0\.52,0\.5,\+$"))


def test_players_are_compared_by_keyboard(open_page: OpenPage) -> None:
    page = open_page()
    wait_for_videos(page, "#compare", 2)
    page.locator("#compare .overlay video").focus()
    press_until(page, "Compare by sliding")
    page.keyboard.press("Space")
    press_until(page, "Share of the original that is shown", "Shift+Tab")
    page.keyboard.press("Home")
    assert "100%" in page.locator("#compare figure.original").evaluate("(figure) => getComputedStyle(figure).clipPath")


def test_nothing_moves_by_itself_for_those_who_ask_for_that(browser: Browser, server: Any) -> None:
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    page.goto(server.url)
    wait_for_videos(page, "#compare", 2)
    open_tab(page, TABS["masks"])
    wait_for_videos(page, "#masks_video")
    page.wait_for_timeout(300)
    assert page.evaluate("() => [...document.querySelectorAll('video')].every((video) => video.paused)")
    open_tab(page, TABS["result"])
    page.locator("#compare .overlay video").evaluate("(video) => video.play()")
    page.wait_for_function("() => [...document.querySelectorAll('#compare video')].every((video) => video.currentTime > 0.1)")
    context.close()
