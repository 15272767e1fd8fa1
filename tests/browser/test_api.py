"""The end points, as `gradio_client` calls them, by one visitor and by eight at once."""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import peak_memory, running_app
from gradio_client import Client, handle_file
from gradio_client.utils import Status

from segmo.synthetic import render_clip, scenarios
from segmo.video import write_mp4

MOST_MEMORY = 6 * 2**30


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "clip.mp4"
    write_mp4(path, render_clip(scenarios.SCENARIOS["two_crossing"]((120, 200), 12)).frames, 24)
    return path


def test_a_clip_is_segmented_over_the_api(server: Any, clip: Path, tmp_path: Path) -> None:
    client = Client(server.url, verbose=False, download_files=tmp_path / "downloads")
    overlay, archive, summary = client.predict(handle_file(clip), stride=4, max_frames=10, api_name="/segment")
    assert summary["frames"] == 10 and isinstance(summary["objects"], list)
    assert Path(overlay).stat().st_size > 0
    with zipfile.ZipFile(archive) as content:
        assert len([name for name in content.namelist() if name.startswith("masks/")]) == 10
    client.close()


def test_a_file_that_is_no_video_is_refused_before_the_queue(server: Any, tmp_path: Path) -> None:
    notes = tmp_path / "notes.mp4"
    notes.write_text("These are notes and not a film. " * 40)
    client = Client(server.url, verbose=False)
    with pytest.raises(Exception, match=r"notes\.mp4"):
        client.predict(handle_file(notes), api_name="/segment")
    client.close()


def test_stages_and_thresholds_over_the_api(server: Any, clip: Path, tmp_path: Path) -> None:
    client = Client(server.url, verbose=False, download_files=tmp_path / "downloads")
    views, summary = client.predict(handle_file(clip), max_frames=8, api_name="/stages")
    assert {"depth.mp4", "masks.mp4"} <= {Path(view).name for view in views}
    answers = [client.predict(summary["result"], threshold, api_name="/evaluate_threshold") for threshold in (0.0, 1.0)]
    assert answers[0]["moving_tracks"] >= answers[1]["moving_tracks"] == 0 < answers[0]["tracks"]
    client.close()


def test_language_models_find_the_tool(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="--mcp needs the package mcp: pip install 'gradio[mcp]'")
    with running_app(tmp_path, "--mcp") as app, urllib.request.urlopen(app.url + "gradio_api/mcp/schema", timeout=20) as answer:
        tools = {tool["name"]: tool for tool in json.load(answer)}
    assert "Segment everything that moves" in tools["segment_motion"]["description"]
    assert {"clip", "stride", "threshold"} <= set(tools["segment_motion"]["inputSchema"]["properties"])


def test_eight_visitors_at_once_each_get_their_own_in_order(server: Any, tmp_path: Path) -> None:
    """Clips of different lengths, so that a result tells whose it is."""
    counts = [9, 12, 7, 13, 6, 10, 8, 11]
    frames = render_clip(scenarios.SCENARIOS["two_crossing"]((108, 192), max(counts))).frames
    clients, jobs = [], []
    with peak_memory(server) as peak:
        for count in counts:
            write_mp4(tmp_path / f"{count}.mp4", frames[:count], 24)
            clients.append(Client(server.url, verbose=False, download_files=tmp_path / "downloads"))
            jobs.append(clients[-1].submit(handle_file(tmp_path / f"{count}.mp4"), api_name="/stages"))
            while jobs[-1].status().code not in (Status.IN_QUEUE, Status.PROCESSING, Status.ITERATING, Status.FINISHED):
                time.sleep(0.02)
        results = [job.result(timeout=280)[1]["result"] for job in jobs]
    assert peak[0] < MOST_MEMORY
    for count, result in zip(counts, results, strict=True):
        record = json.loads((server.cache / "results" / result / "run.json").read_text())
        assert record["source"]["frame_count"] == count
    finished = [(server.cache / "results" / result / "run.json").stat().st_mtime for result in results]
    assert finished == sorted(finished)
    assert len(set(results)) == len(counts) and all(re.fullmatch("[0-9a-f]{32}", result) for result in results)
    for wrong in (results[0][:-1] + "g", results[0][:31], results[0].upper() + "/", "../" + results[0], "", "*"):
        with pytest.raises(Exception, match="This result is not here"):
            clients[0].predict(wrong, 0.5, api_name="/evaluate_threshold")
    for client in clients:
        client.close()


@pytest.mark.parametrize("path", ["results", "results/", "sources", "stages", "timings.json"])
def test_nobody_can_list_results_or_read_what_is_beside_them(server: Any, path: str) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{server.url}gradio_api/file={server.cache / path}", timeout=10)
    assert refused.value.code in (403, 404)
    refused.value.close()
