"""The end point /segment, as `gradio_client` calls it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
from gradio_client import Client, handle_file

from segmo.synthetic import render_clip, scenarios
from segmo.video import write_mp4


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
