"""Results outlive the page and the server: links, settings, and the clip that plays before it runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import running_app
from playwright.sync_api import Page, expect
from test_app import RUN_MS, drop, open_tab, set_number, wait_for_videos

from segmo.ui.text import TABS

pytestmark = pytest.mark.browser

OpenPage = Callable[..., Page]


def test_a_link_opens_the_result_after_a_restart(open_page: OpenPage, shared: Path, tmp_path: Path) -> None:
    with running_app(tmp_path) as app:
        page = open_page(url=app.url)
        drop(page, shared / "clips" / "cat.mp4")
        wait_for_videos(page, "#player")
        expect(page.locator("#clip-note")).to_contain_text("to compute")
        before = page.locator("#clip-note").inner_text()
        set_number(page, "Maximum frames", 10)
        expect(page.locator("#clip-note")).to_contain_text("10 of 87 frames")
        set_number(page, "Maximum side", 200)
        assert page.locator("#clip-note").inner_text() != before
        page.locator("#run").click()
        expect(page.locator("#message")).to_contain_text("Done", timeout=RUN_MS)
        expect(page.locator("#share")).to_contain_text("Kept until")
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.locator(".copy-link").click()
        expect(page.locator("#share")).to_contain_text("Copied")
        link = page.evaluate("() => navigator.clipboard.readText()")
        assert link.startswith(app.url + "?result=")
        page.context.close()
    with running_app(tmp_path) as app:
        page = open_page(url=app.url + "?result=" + link.partition("=")[2])
        wait_for_videos(page, "#compare", 2)
        expect(page.locator("#settings").get_by_label("Maximum frames").first).to_have_value("10")
        open_tab(page, TABS["run"])
        expect(page.locator("#record")).to_contain_text("--max-frames 10")
        page.context.close()


def test_a_wrong_link_is_answered_in_words(open_page: OpenPage, server: object) -> None:
    page = open_page(url=server.url + "?result=" + "0" * 32)  # type: ignore[attr-defined]
    expect(page.locator("#message")).to_contain_text("This result is not here")


def test_settings_of_the_shown_result_come_back(open_page: OpenPage) -> None:
    page = open_page()
    set_number(page, "Maximum frames", 33)
    page.locator("#use-settings").click()
    expect(page.locator("#settings").get_by_label("Maximum frames").first).to_have_value("0")


def test_the_commands_of_a_result_are_copied_as_they_run(open_page: OpenPage, server: Any) -> None:
    page = open_page()
    open_tab(page, TABS["run"])
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    copied = []
    for button in page.locator("#record .copy-code").all():
        button.click()
        expect(button).to_have_text("Copied")
        copied.append(page.evaluate("() => navigator.clipboard.readText()"))
    assert copied[0] == "python -m segmo run examples/two_crossing.mp4 --preset lite"
    assert f'client = Client("{server.url}")' in copied[1] and 'handle_file("examples/two_crossing.mp4")' in copied[1]
    compile(copied[1], "snippet", "exec")


def test_an_unapplied_change_of_the_list_can_be_seen(open_page: OpenPage) -> None:
    page = open_page()
    button = page.locator("#apply-objects")
    plain = button.evaluate("(b) => getComputedStyle(b).backgroundColor")
    page.locator("#objects .object-on").first.uncheck()
    expect(button).not_to_have_css("background-color", plain)


def test_an_object_is_renamed_and_switched_off(open_page: OpenPage, shared: Path) -> None:
    page = open_page()
    drop(page, shared / "clips" / "cat.mp4")
    expect(page.locator("#clip-note")).to_contain_text("87 of 87")
    set_number(page, "Maximum frames", 14)
    set_number(page, "Maximum side", 240)
    page.locator("#run").click()
    expect(page.locator("#message")).to_contain_text("Done", timeout=RUN_MS)
    first = page.locator(".copy-link").get_attribute("data-result")
    page.get_by_label("Name of object 1", exact=True).fill("tabby")
    page.locator("#objects tr[data-object='1'] .object-on").uncheck()
    page.locator("#apply-objects").click()
    expect(page.locator("#message")).to_contain_text("Applied", timeout=RUN_MS)
    expect(page.get_by_label("Name of object 1", exact=True)).to_have_value("tabby")
    expect(page.get_by_label("Show tabby")).not_to_be_checked()
    wait_for_videos(page, "#compare", 2)
    assert page.locator(".copy-link").get_attribute("data-result") != first
