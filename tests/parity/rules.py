"""Sampling rules and thresholds against the published ones, row by row; where ours differ on purpose, the line says how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from segmo.geometry import fit_side
from segmo.networks.dino import grid_hw, padded_hw
from segmo.networks.tapir import RESOLUTION
from segmo.settings import FrameSettings, TrackSettings
from segmo.stages import paper_rules
from segmo.stages.frames import EFFICIENT_SIDE, sampled_indices
from segmo.stages.tracks import grid_spacing, query_frames, query_points

from .common import Check, compare, count, read_json

TOLERANCE = 1e-6


def check(folder: Path) -> Iterator[Check]:
    rules = read_json(folder / "rules.json")
    yield from _visibility(rules["visibility"])
    yield from _selection(rules["selection"])
    yield from _filter_and_export(rules["filter"], rules["export"])
    yield from _sampling(rules["sampling"])
    yield count("query frames", [query_frames(row["frames"], row["step"]).tolist() == row["frames_used"] for row in rules["query_frames"]])
    yield from _grid(rules["grid"])
    yield from _video_frames(rules["video_frames"])
    yield from _resize(rules["resize"])
    yield count("dino grid", [_same_grid(row) for row in rules["dino_grid"]])
    yield from _positions(rules["feature_lookup"], rules["normalise"])
    yield from _depth(rules["depth_png"])


def _visibility(rule: dict[str, Any]) -> Iterator[Check]:
    ours = paper_rules.track_certainty(np.array(rule["occlusion"]), np.array(rule["expected_dist"]))
    yield count("visible", ours.visible == rule["visible"])
    yield count("hidden", ours.hidden == rule["invisible"])
    yield compare("visibility", ours.visibility, rule["visibility"], TOLERANCE)
    yield compare("confidence", ours.confidence, rule["confidence_input"], TOLERANCE)


def _selection(rows: list[dict[str, Any]]) -> Iterator[Check]:
    agree = []
    for row in rows:
        probability = np.array(row["prob"], np.float32)
        ours = np.flatnonzero(paper_rules.select_moving(probability, row["frames"])[0])
        if row.get("ties"):  # any of them
            agree.append(len(ours) == len(row["selected"]) and sorted(probability[ours]) == sorted(probability[row["selected"]]))
        else:
            agree.append(ours.tolist() == row["selected"])
    yield count("selection", agree)
    few = [paper_rules.select_moving(np.full(n, 0.1, np.float32), 60)[0].all() for n in range(3)]
    yield count("selection of fewer than 3 tracks", few, "ours takes them all; the reference fails")


def _filter_and_export(rule: dict[str, Any], export: dict[str, Any]) -> Iterator[Check]:
    certainty = paper_rules.track_certainty(np.array(rule["occlusion"]), np.array(rule["expected_dist"]))
    yield count("filter: visible before", (certainty.visible == np.array(rule["visible_in"], bool)).ravel())
    kept, visible = paper_rules.seen_tracks(certainty.visible, certainty.confidence)
    yield count("filter: tracks kept", [kept.tolist() == rule["kept_rows"]])
    yield count("filter: visible", (visible == np.array(rule["visible_out"], bool)).ravel())
    yield compare("filter: confidence", certainty.confidence[kept], rule["confidence_out"], TOLERANCE)
    chosen = np.array(export["chosen"], bool)
    shown = paper_rules.confident_visibility(visible, certainty.confidence[kept])[chosen]
    yield count("export", (shown == np.array(export["visible"], bool)).ravel())


def _sampling(rule: dict[str, Any]) -> Iterator[Check]:
    settings, agree, more = TrackSettings(), [], 0
    for frames, step, queries, points, kept, total in rule["rows"]:
        asked = query_frames(frames, step)
        ours = query_points((1, points), asked, settings)  # a picture of one row has as many grid points as columns
        per_query = np.bincount(np.searchsorted(asked, ours[:, 0]), minlength=queries)
        missing = len(ours) - total
        more += missing > 0
        capped = total == settings.max_tracks
        shares = capped or ((per_query - kept <= 2).all() and (per_query >= kept).all())
        agree.append(len(asked) == queries and 0 <= missing <= 2 * queries and (not capped or missing == 0) and shares)
    yield count(
        "sampling", agree, f"{len(agree)} rows; in {more} of them ours keeps the tracks that the reference loses by truncating each share"
    )
    lost = [len(query_points((1, row[3]), query_frames(row[0], row[1]), settings)) == row[3] for row in rule["differs_from_floor_division"]]
    yield count("sampling with float truncation", lost, f"{len(lost)} rows; ours loses no track to 1/49 * 49 < 1")


def _grid(rows: list[dict[str, Any]]) -> Iterator[Check]:
    agree, deviation = [], 0.0
    for row in rows:
        hw, step = (row["height"], row["width"]), grid_spacing((row["height"], row["width"]))
        y, x = np.mgrid[0 : hw[0] : step, 0 : hw[1] : step]
        agree.append((step, *x.shape, x.size) == (row["grid_size"], row["rows"], row["cols"], row["points"]))
        every = query_points(hw, np.zeros(1, np.int64), TrackSettings(max_tracks=100_000))[:, 1:]
        agree[-1] &= bool((every == np.stack([x.ravel(), y.ravel()], 1)).all())
        ours = paper_rules.network_positions(every, hw, RESOLUTION)[[0, 1, -1], ::-1]
        deviation = max(deviation, np.abs(ours - [row["first_yx"], row["second_yx"], row["last_yx"]]).max())
    yield count("grid", agree, f"{len(rows)} rows; chunks are sized to the memory, not to 128 points, which changes no result")
    yield Check("grid: positions in the network", float(deviation), 2e-5)


def _video_frames(rows: list[dict[str, Any]]) -> Iterator[Check]:
    agree, covered, lying = [], [], []
    for row in rows:
        total = row["readable_frames"]
        ours = sampled_indices(total, FrameSettings(efficiency=row["efficient"]))
        if row["reported_frames"] != total:
            lying.append(len(ours) == (min(total, 100) if row["efficient"] else total))
        elif row["efficient"] and total > 100 and total % 100:
            gaps = np.diff([*ours, total])
            covered.append(len(ours) == row["saved"] and gaps.max() - gaps.min() <= 1 and ours[-1] >= row["last"])
        else:
            ends = [row["first"], row["last"]] if total else []
            agree.append(ours[[0, -1]].tolist() == ends if total else not len(ours))
            agree[-1] &= len(ours) == row["saved"] and (len(ours) < 2 or np.unique(np.diff(ours)).tolist() == row["interval"])
    yield count("video frames", agree)
    note = f"{len(covered)} rows; ours spreads 100 frames over the clip, the reference loses its end: frames 101 to 199 of 199"
    yield count("video frames of clips that 100 does not divide", covered, note)
    yield count(
        "video frames with a wrong count in the header",
        lying,
        f"{len(lying)} rows; ours counts the frames, the reference believes the header",
    )


def _resize(rule: dict[str, Any]) -> Iterator[Check]:
    agree, exact = [], []
    for row in rule["cases"]:
        ours = fit_side((row["height"], row["width"]), EFFICIENT_SIDE)
        published = (row["new_height"], row["new_width"])
        if max(published) == EFFICIENT_SIDE - 1:
            exact.append(max(ours) == EFFICIENT_SIDE and min(ours) == min(published))
        else:
            agree.append(ours == published)
    exact += [max(fit_side((10, side), EFFICIENT_SIDE)) == EFFICIENT_SIDE for side in rule["long_sides_that_become_999"]["values"]]
    yield count("resize", agree)
    yield count("resize with float truncation", exact, f"{len(exact)} rows; ours makes the longer side 1000, the reference 999")


def _same_grid(row: dict[str, Any]) -> bool:
    hw = (row["height"], row["width"])
    return list(padded_hw(hw)) == row["resized"] and list(grid_hw(hw)) == row["grid"]


def _positions(lookup: dict[str, Any], normalise: dict[str, Any]) -> Iterator[Check]:
    xy = np.array(lookup["xy"], np.float32)
    cells = np.stack(paper_rules.feature_cells(xy, tuple(lookup["image_hw"]), tuple(lookup["grid_hw"])), 1)
    yield count("feature lookup", (cells == lookup["cell_row_col"]).all(axis=1))
    ours = paper_rules.normalised_positions(np.array(normalise["xy"], np.float32), tuple(normalise["image_hw"]))
    yield compare("normalise", ours, normalise["normalised"], TOLERANCE)


def _depth(rule: dict[str, Any]) -> Iterator[Check]:
    stored = np.array(rule["uint16"], np.uint16)[None]
    yield compare("depth read back", paper_rules.depth_from_store(stored)[0], rule["model_input"], TOLERANCE)
    flat = paper_rules.depth_from_store(np.full((1, 2, 2), 7, np.uint16))
    yield count("depth of a constant frame", [bool((flat == 0).all())], "ours is 0, the reference divides 0 by 0")
