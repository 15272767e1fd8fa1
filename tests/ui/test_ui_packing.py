"""A visitor chooses what the archive holds."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmo.ui import delivery, handlers, packing, results, text

EVERYTHING = set(text.CONTENTS)


@pytest.fixture
def page(make_pipeline: Callable[..., Any], clip_file: Path) -> dict[str, Any]:
    updates: dict[str, Any] = {}
    for update in handlers.run(clip_file, {"stride": 4}, stages=make_pipeline()):
        updates |= update
    return updates


def choose(result: str, contents: list[str]) -> dict[str, Any]:
    updates: dict[str, Any] = {}
    for update in packing.choose_contents(result, contents):
        updates |= update
    return updates


def names_in(archive: str) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return {name.partition("/")[0] for name in opened.namelist()}


def test_the_archive_holds_what_is_chosen(page: dict[str, Any]) -> None:
    assert set(page["contents"]["value"]) == EVERYTHING - {"csv"} and page["contents"]["visible"]
    few = choose(page["shown"], ["run", "masks"])
    assert names_in(few["archive"]["value"]) == {"masks", "run.json"} and few["archive"]["interactive"]
    assert "segmo" in Path(few["archive"]["value"]).name
    usual = choose(page["shown"], sorted(EVERYTHING - {"csv"}))
    assert usual["archive"]["value"] == page["archive"]["value"]


def test_the_tracks_come_as_csv_when_they_are_asked_for(page: dict[str, Any]) -> None:
    assert not any(file.endswith(".csv") for file in page["files"]["value"])
    chosen = choose(page["shown"], ["csv", "tracks"])
    assert names_in(chosen["archive"]["value"]) == {"tracks.csv", "tracks.npz"}
    assert any(file.endswith("tracks.csv") for file in chosen["files"]["value"])
    everything = choose(page["shown"], sorted(EVERYTHING))
    assert len(names_in(everything["archive"]["value"])) == len(EVERYTHING)


def test_nothing_chosen_and_nobodys_result_are_told(page: dict[str, Any]) -> None:
    nothing = choose(page["shown"], [])
    assert text.NO_CONTENTS in nothing["files_note"] and not nothing["archive"]["interactive"]
    assert "not here" in choose("../results", ["run"])["files_note"]


def test_few_archives_are_kept(page: dict[str, Any]) -> None:
    for name in ("run", "objects", "tracks", "masks", "overlay", "alpha"):
        choose(page["shown"], [name])
    kept = list((results.results_directory() / page["shown"]).glob("*.zip"))
    assert len(kept) == delivery.CHOSEN_KEPT + 2, "the usual one, the latest, and some before"
