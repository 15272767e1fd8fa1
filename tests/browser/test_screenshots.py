"""Pictures of every tab for people to look at: `SEGMO_SCREENSHOTS=FOLDER python -m pytest tests/browser/test_screenshots.py`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file
from playwright.sync_api import Page
from test_app import open_tab

from segmo.synthetic import render_clip, scenarios
from segmo.ui.text import TABS
from segmo.video import write_mp4

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not os.environ.get("SEGMO_SCREENSHOTS"), reason="SEGMO_SCREENSHOTS names no folder to write screenshots to."),
]

SIZES = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def result(server: Any, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Id of a result of this version."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_mp4(path, render_clip(scenarios.SCENARIOS["two_crossing"]((270, 480), 24)).frames, 24)
    client = Client(server.url, verbose=False)
    identity = client.predict(handle_file(path), api_name="/stages")[1]["result"]
    client.close()
    return str(identity)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_write_a_picture_of_every_tab(open_page: Callable[..., Page], server: Any, result: str, size: str, scheme: str) -> None:
    folder = Path(os.environ["SEGMO_SCREENSHOTS"])
    page = open_page(*SIZES[size], scheme, url=f"{server.url}?result={result}")
    page.wait_for_selector(f".copy-link[data-result='{result}']")
    for name, title in TABS.items():
        open_tab(page, title)
        page.wait_for_timeout(700)  # until pictures are decoded
        path = folder / f"{name}_{size}_{scheme}.png"
        page.screenshot(path=path, full_page=True)
        assert path.stat().st_size > 10_000
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0], title
