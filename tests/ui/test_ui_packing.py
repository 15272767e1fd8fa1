"""A visitor chooses what the archive holds."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from segmo.ui import delivery, handlers, packing, results, text
from segmo.ui.examples import ARCHIVED as SHIPPED
from segmo.ui.examples import Example

EVERYTHING = set(text.CONTENTS)
USUAL = EVERYTHING - {"csv", "matte", "static"}


@pytest.fixture
def page(make_pipeline: Callable[..., Any], clip_file: Path) -> dict[str, Any]:
    updates: dict[str, Any] = {}
    for update in handlers.run(clip_file, {"stride": 4}, stages=make_pipeline()):
        updates |= update
    return updates


def choose(result: str, contents: list[str]) -> dict[str, Any]:
    updates: dict[str, Any] = {}
    for update in packing.choose_contents(result, contents, {}):
        updates |= update
    return updates


def names_in(archive: str) -> set[str]:
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        return {name.partition("/")[0] for name in opened.namelist()}


def test_the_archive_holds_what_is_chosen(page: dict[str, Any]) -> None:
    assert set(page["contents"]["value"]) == USUAL and page["contents"]["visible"]
    few = choose(page["shown"], ["run", "masks"])
    assert names_in(few["archive"]["value"]) == {"masks", "run.json"} and few["archive"]["interactive"]
    assert "segmo" in Path(few["archive"]["value"]).name
    usual = choose(page["shown"], sorted(USUAL))
    assert usual["archive"]["value"] == page["archive"]["value"]


def test_the_tracks_come_as_csv_when_they_are_asked_for(page: dict[str, Any]) -> None:
    assert not any(file.endswith(".csv") for file in page["files"]["value"])
    chosen = choose(page["shown"], ["csv", "tracks"])
    assert names_in(chosen["archive"]["value"]) == {"tracks.csv", "tracks.npz"}
    assert any(file.endswith("tracks.csv") for file in chosen["files"]["value"])
    everything = choose(page["shown"], sorted(EVERYTHING))
    assert len(names_in(everything["archive"]["value"])) == len(EVERYTHING)


def test_mattes_come_when_they_are_asked_for(page: dict[str, Any]) -> None:
    chosen = choose(page["shown"], ["matte", "static"])
    assert names_in(chosen["archive"]["value"]) == {"matte.mp4", "static_masks"}
    assert any(file.endswith("matte.mp4") for file in chosen["files"]["value"])


def test_nothing_chosen_and_nobodys_result_are_told(page: dict[str, Any]) -> None:
    nothing = choose(page["shown"], [])
    assert text.NO_CONTENTS in nothing["files_note"] and not nothing["archive"]["interactive"]
    assert "not here" in choose("../results", ["run"])["files_note"]


def test_what_an_example_is_shipped_without_is_computed_when_it_is_chosen(
    page: dict[str, Any], make_pipeline: Callable[..., Any], clip_file: Path, tmp_path: Path
) -> None:
    shutil.copytree(results.results_directory() / page["shown"], tmp_path / "one")
    few = choose(page["shown"], list(SHIPPED))["archive"]["value"]
    shutil.copy(few, tmp_path / "one" / "segmo.zip")
    examples = {"one": Example("One", clip_file, tmp_path / "one")}
    pipeline, before = make_pipeline(), set((tmp_path / "one").rglob("*"))

    def pick(contents: list[str]) -> dict[str, Any]:
        updates: dict[str, Any] = {}
        for update in packing.choose_contents("one", contents, examples):
            updates |= update
        for update in packing.make_contents("one", contents, examples, stages=pipeline):
            updates |= update
        return updates

    some = pick(["run", "masks"])
    assert names_in(some["archive"]["value"]) == {"masks", "run.json"} and some["archive"]["interactive"] and not pipeline.finished
    assert {Path(file).name for file in some["files"]["value"]} == {"overlay.mp4", "objects.json", "run.json"}
    more = pick(["alpha", "csv"])
    assert names_in(more["archive"]["value"]) == {"alpha.webm", "tracks.csv"} and "masks" in pipeline.finished
    again = make_pipeline()
    pipeline = again
    assert names_in(pick(sorted(EVERYTHING))["archive"]["value"]) >= {"side_by_side.mp4", "masks"} and not again.finished
    assert set((tmp_path / "one").rglob("*")) == before, "what is shipped stays as it is"
    assert results.find_result(Path(more["archive"]["value"]).parent.name) is None, "it is no result of anybody"


def test_few_archives_are_kept(page: dict[str, Any]) -> None:
    for name in ("run", "objects", "tracks", "masks", "overlay", "alpha"):
        choose(page["shown"], [name])
    kept = list((results.results_directory() / page["shown"]).glob("*.zip"))
    assert len(kept) == delivery.CHOSEN_KEPT + 2, "the usual one, the latest, and some before"
