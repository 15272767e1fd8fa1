"""A running app and a real browser. The app is a process of its own with a cache of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 60
PATIENCE_MS = 20_000  # the app and the browser may share two cores with others
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@dataclass(frozen=True)
class Server:
    """A running app."""

    url: str
    cache: Path
    seconds_to_first_page: float
    pid: int

    def memory_bytes(self) -> int:
        """Memory of the app and of the processes it has started, with what they map from files."""
        return sum(map(_resident_bytes, _family(self.pid)))


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        threads = list(Path(f"/proc/{pid}/task").glob("*/children"))
    except OSError:  # the process has just ended
        return
    for children in threads:
        try:
            found = children.read_text().split()
        except OSError:  # that thread has just ended
            continue
        for child in found:
            yield from _family(int(child))


def _resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:  # it has just ended
        return 0


@contextmanager
def peak_memory(server: Server) -> Iterator[list[int]]:
    """The most memory that the app takes within the block, in bytes, as the single entry of a list."""
    peak, ended = [server.memory_bytes()], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            peak[0] = max(peak[0], server.memory_bytes())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


@contextmanager
def running_app(folder: Path, *options: str) -> Iterator[Server]:
    """An app of its own, whose cache and results are in `folder` and stay there."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "SEGMO_CACHE": str(folder / "cache")}
    started = time.monotonic()
    with open(folder / "log.txt", "a") as log:
        command = [sys.executable, "app.py", "--port", str(port), *options]
        process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=log, stderr=subprocess.STDOUT)
    try:
        url = f"http://127.0.0.1:{port}/"
        while not answers(url):
            if process.poll() is not None or time.monotonic() - started > START_TIMEOUT_S:
                pytest.fail(f"The app did not start:\n{(folder / 'log.txt').read_text()}")
            time.sleep(0.1)
        yield Server(url, folder / "cache", time.monotonic() - started, process.pid)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_app(tmp_path_factory.mktemp("app")) as app:
        yield app


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return bool(response.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI") == "true":
            pytest.fail("There is no Chromium, and CI must run the browser tests: apt-get install chromium.")
        pytest.skip("There is no Chromium to drive: apt-get install chromium.")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, headless=True, args=CHROMIUM_OPTIONS)
        yield running
        running.close()


@dataclass
class Faults:
    """What went wrong on a page besides what a test looks at."""

    seen: list[str] = field(default_factory=list)

    def watch(self, page: Page, url: str) -> None:
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.seen.append(f"exception: {error}"))
        page.on("requestfailed", self._failed)
        page.on("response", self._response)
        page.on("request", lambda request: self._request(request, url))

    def _console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not ("422" in message.text and _ends_the_unnamed(message.location["url"])):
            self.seen.append(f"console: {message.text}")

    def _failed(self, request: Request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the page itself gave up: it seeks in a video, has all events of a run, or closes
            self.seen.append(f"failed: {request.url} {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400 and not (response.status == 422 and _ends_the_unnamed(response.url)):
            self.seen.append(f"{response.status}: {response.url}")

    def _request(self, request: Request, url: str) -> None:
        if not request.url.startswith((url, "data:", "blob:")):
            self.seen.append(f"outside: {request.url}")


def _ends_the_unnamed(url: str) -> bool:
    """Whether Gradio asks here to end an event; it does so without a name where the server has not named it yet, and drops the answer."""
    return url.endswith(("/gradio_api/cancel", "/gradio_api/reset"))


@pytest.fixture
def open_page(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Opens the app in a new, empty profile; at the end no page may have had an error or asked another host for anything."""
    faults = Faults()
    contexts = []

    def open_one(width: int = 1280, height: int = 900, scheme: str = "light", url: str = server.url) -> Page:
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme))  # type: ignore[arg-type]
        page = contexts[-1].new_page()
        faults.watch(page, url.partition("?")[0])
        page.goto(url)
        page.wait_for_selector("#steps .step")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults.seen == []
