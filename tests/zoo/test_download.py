from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import shutil
import socket
import struct
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from segmo.cli.main import main
from segmo.errors import WeightsError
from segmo.types import finish
from segmo.zoo import download, registry
from segmo.zoo.registry import ModelSpec, Weights, WeightsFile

CONTENT = bytes(range(256)) * 12000  # some chunks long
SHA = hashlib.sha256(CONTENT).hexdigest()
CONFIG = b'{"depth": 3}'
COMMIT = "c" * 40


class Server(ThreadingHTTPServer):
    """Serves files by path, as a bucket or the hub does; notes what was asked for, and can break connections."""

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.asked, self.breaks, self.ranges = files, list[tuple[str, str, str]](), 0, True
        self.refusals: list[int] = []
        self.reset_after = 0
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        wanted = self.headers.get("Range", "") if self.server.ranges else ""
        self.server.asked.append((self.command, self.path, self.headers.get("Range", "")))
        if self.server.refusals:
            self.send_error(self.server.refusals.pop(0))
            return
        content = self.server.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        first = int(wanted.removeprefix("bytes=").split("-")[0]) if wanted else 0
        if wanted and first >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(content) - first))
        self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.end_headers()
        if body:
            rest = content[first:]
            if self.server.breaks:
                self.server.breaks -= 1
                rest = rest[: len(rest) // 2]
            if self.server.reset_after and len(rest) > self.server.reset_after:
                self.wfile.write(rest[: self.server.reset_after])
                time.sleep(0.2)  # until the other side has read it
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
                return
            with contextlib.suppress(OSError):  # the other side may stop listening
                self.wfile.write(rest)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[object]:
    running: list[Server] = []

    def start(files: dict[str, bytes]) -> Server:
        running.append(Server(files))
        threading.Thread(target=running[-1].serve_forever, args=(0.05,), daemon=True).start()
        return running[-1]

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("SEGMO_HUB", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SEGMO_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def tracker(url: str, sha256: str = SHA) -> ModelSpec:
    """A model whose only file is published at an address."""
    weights = Weights((WeightsFile("tracker.pt", sha256, len(CONTENT)),), url=url)
    return ModelSpec("tracks", "mine", "an_adapter:Model", "MIT", "none", weights)


def of_the_hub(sha256: str = SHA) -> ModelSpec:
    """A model in a repository of the hub."""
    files = (WeightsFile("config.json"), WeightsFile("model.safetensors", sha256, len(CONTENT)))
    return ModelSpec("depth", "mine", "an_adapter:Model", "MIT", "none", Weights(files, "someone/depth", COMMIT))


HUB_FILES = {f"/someone/depth/resolve/{COMMIT}/config.json": CONFIG, f"/someone/depth/resolve/{COMMIT}/model.safetensors": CONTENT}


def own_hub(folder: Path, content: bytes = CONTENT) -> Path:
    (folder / "someone/depth").mkdir(parents=True, exist_ok=True)
    (folder / "someone/depth/config.json").write_bytes(CONFIG)
    (folder / "someone/depth/model.safetensors").write_bytes(content)
    (folder / "tracker.pt").write_bytes(content)
    return folder


def states(spec: ModelSpec, thorough: bool = False) -> str:
    assert spec.weights is not None
    return download.state(spec.weights, thorough=thorough)


def test_a_file_is_fetched_once_and_its_progress_told(serve, weights_folder):
    server = serve({"/bucket/tracker.pt": CONTENT})
    spec = tracker(f"{server.url}/bucket")
    assert states(spec) == "missing"
    told, steps = [], download.fetch(spec)
    while True:
        try:
            told.append(next(steps))
        except StopIteration as stop:
            path = stop.value
            break
    assert path == weights_folder / "tracker.pt" and path.read_bytes() == CONTENT and states(spec) == "ready"
    assert told == sorted(told) and 0 <= told[0] < 0.5 and told[-1] == 1
    assert finish(download.fetch(spec)) == path and [ask[0] for ask in server.asked] == ["GET"]
    assert {file.name for file in weights_folder.iterdir() if "lock" not in file.name} == {"tracker.pt", ".tracker.pt.record"}


def test_a_broken_connection_goes_on_where_it_stopped(serve):
    server = serve({"/tracker.pt": CONTENT})
    server.breaks = 2
    path = finish(download.fetch(tracker(server.url)))
    assert path.read_bytes() == CONTENT
    half, three_quarters = len(CONTENT) // 2, len(CONTENT) - len(CONTENT) // 4
    assert [ask[2] for ask in server.asked] == ["", f"bytes={half}-", f"bytes={three_quarters}-"]


def test_a_connection_that_is_reset_loses_nothing_that_came(serve):
    server = serve({"/tracker.pt": CONTENT})
    server.reset_after = 600_000  # less than is read at once
    assert finish(download.fetch(tracker(server.url))).read_bytes() == CONTENT
    assert [first for _, _, first in server.asked] == ["", *(f"bytes={600_000 * k}-" for k in range(1, 6))]


@pytest.mark.parametrize("refusals", [[503], [429, 503, 502, 500]])
def test_a_server_that_is_busy_is_asked_again(serve, refusals):
    server = serve({"/tracker.pt": CONTENT})
    server.refusals = list(refusals)
    assert finish(download.fetch(tracker(server.url))).read_bytes() == CONTENT and len(server.asked) == len(refusals) + 1


def test_a_server_that_stays_busy_is_given_up(serve):
    server = serve({"/tracker.pt": CONTENT})
    server.refusals = [503] * 9
    with pytest.raises(WeightsError, match=r"503.*weights fetch tracks/mine"):
        finish(download.fetch(tracker(server.url)))
    assert len(server.asked) == 5


def test_a_stopped_download_goes_on_in_the_next_call(serve, weights_folder):
    server = serve({"/tracker.pt": CONTENT})
    steps = download.fetch(tracker(server.url))
    while next(steps) < 0.3:
        pass
    steps.close()
    assert not (weights_folder / "tracker.pt").exists()
    assert finish(download.fetch(tracker(server.url))).read_bytes() == CONTENT
    assert int(server.asked[-1][2].removeprefix("bytes=").removesuffix("-")) >= 0.3 * len(CONTENT)


@pytest.mark.parametrize("left", [CONTENT[:5000], CONTENT + b"more"], ids=["part", "too long"])
@pytest.mark.parametrize("ranges", [True, False])
def test_servers_without_ranges_and_leftovers_that_are_too_long_start_anew(serve, weights_folder, left, ranges):
    server = serve({"/tracker.pt": CONTENT})
    server.ranges = ranges
    weights_folder.mkdir()
    (weights_folder / "tracker.pt.partial").write_bytes(left)
    assert finish(download.fetch(tracker(server.url))).read_bytes() == CONTENT


def test_a_wrong_checksum_says_where_to_get_it_and_leaves_nothing(serve, weights_folder):
    server = serve({"/tracker.pt": CONTENT[:-1] + b"x"})
    with pytest.raises(WeightsError, match="not " + SHA) as told:
        finish(download.fetch(tracker(server.url)))
    assert f"{server.url}/tracker.pt" in str(told.value) and str(weights_folder / "tracker.pt") in str(told.value)
    assert "python -m segmo weights fetch tracks/mine" in str(told.value)
    assert not [file for file in weights_folder.iterdir() if "lock" not in file.name]


def test_the_network_being_down_names_the_file_the_address_and_the_place(serve, weights_folder):
    server = serve({})
    url = server.url
    server.shutdown()
    server.server_close()
    with pytest.raises(WeightsError) as told:
        finish(download.fetch(tracker(url)))
    assert all(word in str(told.value) for word in ("tracker.pt", url, str(weights_folder / "tracker.pt"), "weights fetch"))


def test_what_is_not_published_is_an_error_at_once(serve):
    server = serve({})
    with pytest.raises(WeightsError, match="404"):
        finish(download.fetch(tracker(server.url)))
    assert len(server.asked) == 1


def test_models_of_a_preset_are_told_by_its_name(serve, monkeypatch):
    monkeypatch.setenv("SEGMO_HUB", serve({}).url)
    with pytest.raises(WeightsError, match="python -m segmo weights fetch paper`"):
        finish(download.fetch(registry.find("tracks", "bootstapir")))


def test_many_at_once_fetch_once(serve):
    server = serve({"/tracker.pt": CONTENT})
    with ThreadPoolExecutor(4) as pool:
        paths = list(pool.map(lambda _: finish(download.fetch(tracker(server.url))), range(4)))
    assert len(set(paths)) == 1 and paths[0].read_bytes() == CONTENT and len(server.asked) == 1


def test_the_hub_is_asked_for_the_pinned_commit(serve, weights_folder, monkeypatch):
    server = serve(HUB_FILES)
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    spec = of_the_hub()
    folder = finish(download.fetch(spec))
    assert folder == weights_folder / "someone/depth" and states(spec, thorough=True) == "ready"
    assert (folder / "config.json").read_bytes() == CONFIG and (folder / "model.safetensors").read_bytes() == CONTENT
    assert {file.name for file in folder.iterdir() if not file.name.startswith(".")} == {"config.json", "model.safetensors"}


def test_a_wrong_file_of_the_hub_is_refused(serve, weights_folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", serve(HUB_FILES).url)
    with pytest.raises(WeightsError, match=r"model\.safetensors .*huggingface\.co/someone/depth"):
        finish(download.fetch(of_the_hub("0" * 64)))
    assert not (weights_folder / "someone/depth/model.safetensors").exists()


def test_a_checksum_that_nobody_published_holds_from_the_first_download_on(serve, weights_folder, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", serve(HUB_FILES).url)
    spec = of_the_hub("")
    model = finish(download.fetch(spec)) / "model.safetensors"
    model.write_bytes(CONTENT[::-1])
    assert states(spec) == f"{model} has SHA-256 {hashlib.sha256(CONTENT[::-1]).hexdigest()}, not {SHA}"


@pytest.mark.parametrize("address", [str, Path.as_uri])
def test_a_folder_can_stand_for_the_hub_and_its_owner_answers_for_it(tmp_path, weights_folder, monkeypatch, address):
    other = CONTENT[::-1]
    monkeypatch.setenv("SEGMO_HUB", address(own_hub(tmp_path / "my hub", other)))
    folder = finish(download.fetch(of_the_hub()))
    assert (folder / "model.safetensors").read_bytes() == other and states(of_the_hub()) == "ready"
    assert finish(download.fetch(tracker("https://elsewhere.example"))).read_bytes() == other
    monkeypatch.delenv("SEGMO_HUB")
    assert "was fetched from file:" in states(of_the_hub())  # for everybody else it is not the published file
    assert "not " + SHA in states(tracker("https://elsewhere.example"))


def test_a_folder_without_the_file_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path))
    with pytest.raises(WeightsError, match=r"tracker\.pt .*cannot be fetched from file:.*No such file"):
        finish(download.fetch(tracker("https://elsewhere.example")))


def test_a_server_can_stand_for_the_hub_with_the_published_files(serve, monkeypatch):
    server = serve({"/mirror/someone/depth/config.json": CONFIG, "/mirror/someone/depth/model.safetensors": CONTENT})
    server.files["/mirror/tracker.pt"] = b"something else"
    monkeypatch.setenv("SEGMO_HUB", f"{server.url}/mirror/")
    assert (finish(download.fetch(of_the_hub())) / "model.safetensors").read_bytes() == CONTENT
    with pytest.raises(WeightsError, match="not " + SHA):
        finish(download.fetch(tracker("https://elsewhere.example")))


def test_files_can_be_put_into_place_by_hand(weights_folder):
    own_hub(weights_folder)
    assert states(of_the_hub()) == "ready" and states(tracker("https://elsewhere.example")) == "ready"
    assert "SHA-256" in states(tracker("https://elsewhere.example", "0" * 64))


def test_a_whole_copy_in_place_of_a_half_one_is_told_what_hinders_it(serve, weights_folder, monkeypatch):
    """As where there is no network: the file was looked at while it was being copied, and nobody published its checksum."""
    server = serve({})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    spec = of_the_hub("")
    model = own_hub(weights_folder, CONTENT[: len(CONTENT) // 2]) / "someone/depth/model.safetensors"
    assert states(spec) == "ready"
    model.write_bytes(CONTENT)
    record = model.with_name(".model.safetensors.record")
    assert states(spec).endswith(f"if you replaced it on purpose, delete {record} too")
    with pytest.raises(WeightsError, match=r"It would replace what is in place: .*, delete .*\.record too\. With a network"):
        finish(download.fetch(spec))
    record.unlink()
    assert states(spec) == "ready" and finish(download.fetch(spec)) == model.parent


@pytest.fixture
def read_only(weights_folder, monkeypatch):
    """Files put there by hand, and no right to write beside them; counts how often they are read."""
    own_hub(weights_folder)
    read: list[str] = []
    write_text, digest = Path.write_text, download._digest

    def refuse(path: Path, *given: object, **named: object) -> int:
        if path.is_relative_to(weights_folder):
            raise PermissionError(13, "Permission denied", str(path))
        return write_text(path, *given, **named)

    monkeypatch.setattr(Path, "write_text", refuse)
    monkeypatch.setattr(download, "_digest", lambda path: read.append(path.name) or digest(path))
    return read


def test_files_in_a_folder_that_cannot_be_written_to_are_read_once(read_only, weights_folder, caplog):
    caplog.set_level(logging.INFO)
    spec = tracker("https://elsewhere.example")
    assert states(spec) == states(spec) == "ready" and states(of_the_hub()) == "ready"
    assert finish(download.fetch(spec)) == weights_folder / "tracker.pt"
    assert read_only == ["tracker.pt", "config.json", "model.safetensors"]
    assert len(caplog.records) == 3 and "Permission denied" in caplog.text
    assert states(spec, thorough=True) == "ready" and len(read_only) == 4
    (weights_folder / "tracker.pt").write_bytes(CONTENT[::-1])  # by its owner
    assert "not " + SHA in states(spec)


def test_an_own_folder_s_files_are_told_apart_where_no_record_can_be_written(read_only, weights_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SEGMO_HUB", str(own_hub(tmp_path / "hub")))
    weights, prints = of_the_hub().weights, set()
    for content in (CONTENT, CONTENT[::-1]):
        monkeypatch.setenv("SEGMO_WEIGHTS", str(own_hub(weights_folder / hashlib.sha256(content).hexdigest(), content)))
        assert not download.content_unknown(weights)
        prints.add(download.fingerprint(weights))
    assert len(prints) == 2


@pytest.mark.parametrize("left", [0, 5000])
@pytest.mark.parametrize("of_hub", [True, False])
def test_what_an_earlier_call_left_needs_no_room_again(serve, weights_folder, monkeypatch, left, of_hub):
    server = serve({"/tracker.pt": CONTENT, **HUB_FILES})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    room = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=len(CONTENT) - 5000), rmtree=shutil.rmtree)
    monkeypatch.setattr(download, "shutil", room)
    staging = weights_folder / "someone/depth/.model.safetensors.hub/.cache/huggingface/download"
    staging.mkdir(parents=True)
    partial = staging / "some.incomplete" if of_hub else weights_folder / "tracker.pt.partial"
    partial.write_bytes(CONTENT[:left])
    steps = download.fetch(of_the_hub() if of_hub else tracker(server.url))
    if left:
        finish(steps)
        assert states(of_the_hub() if of_hub else tracker(server.url)) == "ready"
    else:
        with pytest.raises(WeightsError, match=r"it takes .* GB more, and the disk has less"):
            finish(steps)


def test_what_a_model_is_stays_known_without_its_files_and_changes_with_those_of_an_own_folder(tmp_path, weights_folder, monkeypatch):
    weights = of_the_hub().weights
    published = download.fingerprint(weights)
    assert published != download.fingerprint(of_the_hub("0" * 64).weights) and not download.content_unknown(weights)
    prints = set()
    for content in (CONTENT, CONTENT[::-1]):
        monkeypatch.setenv("SEGMO_WEIGHTS", str(tmp_path / hashlib.sha256(content).hexdigest()))
        monkeypatch.setenv("SEGMO_HUB", str(own_hub(tmp_path / "hub", content)))
        assert download.content_unknown(weights)
        finish(download.fetch(of_the_hub()))
        assert not download.content_unknown(weights)
        prints.add(download.fingerprint(weights))
    assert len(prints) == 2 and published not in prints


@pytest.fixture
def my_models(tmp_path, monkeypatch):
    """A registry of two models, and a folder that has the weights of both."""
    monkeypatch.setenv("SEGMO_HUB", str(own_hub(tmp_path / "hub")))
    monkeypatch.setattr(registry, "MODELS", (of_the_hub(), tracker("https://elsewhere.example")))


def lines(capsys) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_command_lists_fetches_and_verifies(my_models, weights_folder, capsys):
    assert main(["weights", "list", "--json"]) == 0
    assert [(row["name"], row["state"]) for row in lines(capsys)] == [("mine", "missing"), ("mine", "missing")]
    assert main(["weights", "fetch", "depth/mine"]) == 0
    assert capsys.readouterr().out == f"depth/mine: ready {weights_folder / 'someone/depth'}\n"
    assert main(["weights", "verify"]) == 0 and "depth/mine: ready" in capsys.readouterr().out
    assert main(["weights", "verify", "mine", "--json"]) == 1
    assert [(row["model"], row["status"]) for row in lines(capsys)] == [("depth/mine", "ready"), ("tracks/mine", "missing")]
    assert main(["weights", "fetch", "mine", "--json"]) == 0
    told = lines(capsys)
    assert told[-1] == {"model": "tracks/mine", "status": "ready", "path": str(weights_folder / "tracker.pt")}
    assert any(row["status"] == "fetching" and 0 < row["fraction"] <= 1 for row in told)


def test_verify_reads_what_looks_untouched(my_models, weights_folder, capsys):
    assert main(["weights", "fetch", "tracks/mine", "--json"]) == 0
    path = weights_folder / "tracker.pt"
    record = json.loads((weights_folder / ".tracker.pt.record").read_text())
    path.write_bytes(CONTENT[::-1])
    (weights_folder / ".tracker.pt.record").write_text(json.dumps({**record, "mtime_ns": path.stat().st_mtime_ns}))
    capsys.readouterr()
    assert main(["weights", "verify"]) == 1
    assert "damaged" in (out := capsys.readouterr().out) and "weights fetch tracks/mine" in out


def test_the_command_says_what_it_cannot_do(my_models, tmp_path, capsys, monkeypatch):
    assert main(["weights", "fetch"]) == 2 and "weights fetch paper" in capsys.readouterr().err
    assert main(["weights", "fetch", "everything"]) == 2 and "depth/mine" in capsys.readouterr().err
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path / "nowhere"))
    assert main(["weights", "fetch", "mine", "--json"]) == 1
    assert [row["model"] for row in lines(capsys) if row["status"] == "failed"] == ["depth/mine", "tracks/mine"]


def test_whether_there_is_something_to_fetch_from(tmp_path, monkeypatch):
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path))
    assert download.can_fetch()
    monkeypatch.setenv("SEGMO_HUB", str(tmp_path / "nowhere"))
    assert not download.can_fetch()
    monkeypatch.delenv("SEGMO_HUB")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert not download.can_fetch()


def test_whether_the_hub_answers_is_asked_where_files_are_fetched_from(serve, monkeypatch):
    """At the endpoint and through the proxy that the download uses; any answer will do, here one that there is no such page."""
    for name in ("http_proxy", "HTTP_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(urllib.request, "_opener", None)
    server, gone = serve({}), serve({})
    gone.shutdown()
    gone.server_close()
    for endpoint, answers in ((server.url, True), (gone.url, False), ("not an address", False)):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        assert download.can_fetch() == answers
    assert [ask[0] for ask in server.asked] == ["HEAD"]
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example/")
    for proxy, answers in ((server.url, True), (gone.url, False)):
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setattr(urllib.request, "_opener", None)  # a process looks for its proxies once
        assert download.can_fetch() == answers
    assert [ask[:2] for ask in server.asked[1:]] == [("HEAD", "http://hub.example/")]
