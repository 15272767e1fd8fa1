"""The list of objects can be changed, and video, masks and files follow without any model."""

from __future__ import annotations

import json
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from segmo.errors import SettingsError
from segmo.types import ObjectMasks
from segmo.ui import handlers, panels, parts, results
from segmo.ui.edits import ObjectEdits, apply_edits, parse_edits
from segmo.ui.examples import Example


def row(identity: int, name: str = "", on: bool = True, into: int = 0, deleted: bool = False) -> dict[str, Any]:
    return {"id": identity, "name": name, "on": on, "into": into, "deleted": deleted}


def three_objects() -> ObjectMasks:
    labels = np.zeros((2, 4, 6), np.uint8)
    labels[:, :, 0:2], labels[:, :, 2], labels[0, :, 4] = 1, 2, 5
    return ObjectMasks(labels, np.array([1, 2, 5]), np.array([0.9, 0.6, 0.3], np.float32))


def test_merging_deleting_and_switching_off() -> None:
    masks = three_objects()
    edits = parse_edits(json.dumps([row(1, "dog"), row(2, "Object 2", into=1), row(5, on=False)]))
    merged = apply_edits(masks, edits)
    assert merged.object_ids.tolist() == [1] and merged.motion_scores[0] == pytest.approx((2 * 0.9 + 0.6) / 3)
    assert (merged.labels[0] == [1, 1, 1, 0, 0, 0]).all()
    assert apply_edits(masks, edits, with_off=True).object_ids.tolist() == [1, 5]
    assert apply_edits(masks, ObjectEdits(deleted=frozenset({1, 2, 5}))).nothing_moves
    assert ObjectEdits().then(edits).names == {1: "dog"}, "the usual name is no name"


def test_later_changes_build_on_earlier_ones() -> None:
    first = parse_edits(json.dumps([row(1, "dog"), row(2, into=1), row(5, on=False)]))
    both = first.then(parse_edits(json.dumps([row(1, "cat", into=5), row(5)])))
    assert apply_edits(three_objects(), both).object_ids.tolist() == [5]
    assert both.names == {1: "cat"} and not both.off
    assert ObjectEdits.from_dict(json.loads(json.dumps(both.to_dict()))) == both
    assert both.then(parse_edits(json.dumps([row(1, "Object 1")]))).names == {}, "a name can be taken back"


@pytest.mark.parametrize("text", ["", "no", "[1]", '[{"id": 1}]', json.dumps([row(1, into=2), row(2, into=1)])])
def test_a_list_that_makes_no_sense_is_refused(text: str) -> None:
    with pytest.raises(SettingsError):
        parse_edits(text)


@pytest.fixture
def finished(make_pipeline: Callable[..., Any], clip_file: Path) -> dict[str, Any]:
    page: dict[str, Any] = {}
    for updates in handlers.run(clip_file, {"stride": 4}, stages=make_pipeline()):
        page |= updates
    return page


def edit(result: str, rows: list[dict[str, Any]], make_pipeline: Callable[..., Any]) -> dict[str, Any]:
    page: dict[str, Any] = {}
    for updates in handlers.edit_objects(result, json.dumps(rows), {}, stages=make_pipeline(cached=("frames", "masks"))):
        page |= updates
    return page


def masks_of(result: str) -> set[int]:
    with zipfile.ZipFile(results.results_directory() / result / "segmo.zip") as archive, archive.open("masks/00004.png") as file:
        return set(np.unique(np.asarray(Image.open(file))).tolist())


def test_an_object_is_switched_off_and_on_again(finished: dict[str, Any], make_pipeline: Callable[..., Any]) -> None:
    os.unlink(results.results_directory() / finished["shown"] / "overlay.mp4")  # nothing of the old result's files is needed
    without = edit(finished["shown"], [row(3, "fox <b>", on=False)], make_pipeline)
    assert without["shown"] != finished["shown"] and masks_of(without["shown"]) == {0} and masks_of(finished["shown"]) == {0, 3}
    html = without["objects"]["value"]
    assert 'value="fox &lt;b&gt;"' in html and "checked" not in html
    again = edit(without["shown"], [row(3, "fox", on=True)], make_pipeline)
    assert masks_of(again["shown"]) == {0, 3} and "checked" in again["objects"]["value"]
    record = json.loads((results.results_directory() / again["shown"] / "run.json").read_text())
    assert record["object_edits"]["names"] == {"3": "fox"} and record["settings"]["query"]["stride"] == 4


def test_a_deleted_object_is_gone_and_the_tabs_stay(finished: dict[str, Any], make_pipeline: Callable[..., Any]) -> None:
    page = edit(finished["shown"], [row(3, deleted=True)], make_pipeline)
    assert masks_of(page["shown"]) == {0}
    part = parts.load(results.results_directory() / page["shown"])["result"]
    assert isinstance(part, parts.ResultPart) and not part.objects
    for slots in panels.CONTENT.values():
        for slot in slots:
            assert page[slot]["visible"], slot


def test_the_list_of_an_example_can_be_changed(finished: dict[str, Any], make_pipeline: Callable[..., Any], clip_file: Path) -> None:
    directory = results.results_directory() / finished["shown"]
    examples, page = {"one": Example("One", clip_file, directory)}, {}
    seen = []
    for updates in handlers.edit_objects("one", json.dumps([row(3, "fox")]), examples, stages=make_pipeline()):
        page |= updates
        seen += re.findall(r'data-step="depth" data-state="(\w+)"', updates.get("steps") or "")
    assert page["shown"] not in ("one", directory.name) and 'value="fox"' in page["objects"]["value"]
    assert "running" in seen and page["run"]["visible"] and not page["stop"]["visible"]


def test_the_list_of_what_is_gone_cannot_be_changed() -> None:
    (only,) = handlers.edit_objects("0" * 32, "[]", {})
    assert "Press Run first" in only["message"]


def test_clips_are_kept_apart_from_what_is_served_and_go_with_the_result(finished: dict[str, Any], own_cache: Path) -> None:
    directory = results.results_directory() / finished["shown"]
    source = results.source_of(directory)
    assert source is not None and results.results_directory() not in source.parents
    os.utime(directory, (0, 0))
    results.sweep(1)
    assert not source.exists() and not directory.exists()
