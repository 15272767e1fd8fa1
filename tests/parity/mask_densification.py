"""The two-step prompting against the published one, call for call, with a segmenter that knows the truth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from segmo.stages import prompting
from segmo.types import finish

from .common import Check, compare, count, read_json

TOLERANCE = 1e-4
SCENES = {"scene": "", "tiny": "tiny_"}


class FakeSegmenter:
    """Answers with connected parts, and follows whole objects, of an image of labels; remembers what it was asked."""

    def __init__(self, labels: np.ndarray) -> None:
        self.labels = labels
        self.points: dict[int, dict[int, np.ndarray]] = {}
        self.log: list[dict[str, Any]] = []

    def reset(self) -> None:
        self.points.clear()
        self.log.append({"op": "reset"})

    def add_points(self, frame: int, object_id: int, points_xy: np.ndarray, outside_xy: np.ndarray = prompting.NO_POINTS) -> np.ndarray:
        self.points.setdefault(object_id, {})[frame] = points_xy
        image = self.labels[frame]
        mask = np.zeros(image.shape, bool)
        for x, y in self._pixels(points_xy):
            if image[y, x]:
                parts = cv2.connectedComponents((image == image[y, x]).astype(np.uint8), connectivity=8)[1]
                mask |= parts == parts[y, x]
        self.log.append({"op": "add", "frame": frame, "obj": object_id, "points": points_xy.tolist(), "area": int(mask.sum())})
        if len(outside_xy):
            self.log[-1]["outside"] = outside_xy.tolist()
        return mask

    def propagate(self, object_ids: Sequence[int], *, reverse: bool) -> Iterator[tuple[int, dict[int, np.ndarray]]]:
        reached: dict[int, range] = {}
        hits: dict[int, list[int]] = {}
        for number in object_ids:
            asked = self.points[number]
            start = min(asked)
            reached[number] = (range(start, -1, -1) if start else range(0)) if reverse else range(start, len(self.labels))
            hits[number] = sorted({int(self.labels[f][y, x]) for f, points in asked.items() for x, y in self._pixels(points)} - {0})
            labels = {str(number): hits[number]}
            self.log.append({"op": "propagate", "reverse": reverse, "start": start, "frames": len(reached[number]), "labels": labels})
        for frame in sorted(set().union(*reached.values()), reverse=reverse):
            yield frame, {number: np.isin(self.labels[frame], hits[number]) for number in object_ids if frame in reached[number]}

    def _pixels(self, points: np.ndarray) -> list[tuple[int, int]]:
        height, width = self.labels.shape[1:]
        return [(min(max(int(x), 0), width - 1), min(max(int(y), 0), height - 1)) for x, y in points]


def check(folder: Path) -> Iterator[Check]:
    for name, prefix in SCENES.items():
        if (folder / f"{name}.json").exists():
            yield from _check_scene(name, read_json(folder / f"{name}.json"), dict(np.load(folder / "scene.npz")), prefix)
    units = read_json(folder / "units.json")
    yield from _check_points(units)
    yield from _check_merging(units)


def _check_scene(name: str, content: dict[str, Any], arrays: dict[str, np.ndarray], prefix: str) -> Iterator[Check]:
    truth, visible = arrays[f"{prefix}gt"], arrays[f"{prefix}visible"]
    positions = arrays[f"{prefix}traj"].transpose(1, 2, 0)
    hw = truth.shape[1:]
    segmenter = FakeSegmenter(truth)
    found = finish(prompting.find_objects(positions, visible, segmenter))
    first = len(segmenter.log)
    tracks = finish(prompting.follow_objects(found, positions, visible, segmenter, hw))
    middle = [call["op"] for call in content["log"]].index("stage2")
    finding = _without_repetitions([call for call in content["log"][:middle] if call["op"] != "init"])
    following = [call for call in content["log"][middle + 1 :] if call["op"] != "reset"]
    yield count(f"{name}: calls to find objects", _same_calls(segmenter.log[:first], finding), f"{len(finding)} calls")
    ours = _object_by_object([call for call in segmenter.log[first:] if call["op"] != "reset"])
    yield count(f"{name}: calls to follow them", _same_calls(ours, following), f"{len(following)} calls, object by object")
    memory = content["memory"].values()
    same = [(each.frame, len(each.tracks)) == (row["frame"], row["tracks"]) for each, row in zip(found, memory, strict=False)]
    yield count(f"{name}: objects found", [*same, len(found) == len(memory)])
    for i, track in enumerate(tracks):
        key = f"object_{i + 1:02d}"
        if not prefix and key in arrays:
            masks = np.stack([track.mask(frame, hw[1]) for frame in range(len(truth))])
            yield count(
                f"{name}: masks of object {i + 1}", [*(masks == arrays[key]).all(axis=(1, 2)), *(track.present == arrays[f"{key}_present"])]
            )
    published = [[number - 1 for number in group] for group in content["merge_groups"].values()]
    same = prompting.same_objects(tracks)
    groups = prompting.merged_groups(same)
    chain = sorted(groups) != sorted(published)
    note = "ours follows a chain to its end, the reference does not" if chain else f"{len(groups)} objects"
    yield count(f"{name}: merged", [_follow_one_level(same, published) if chain else groups == published], note)
    yield compare(f"{name}: labels", prompting.label_frames(tracks, published, hw), arrays[f"{prefix}final_labels"], 0)


def _without_repetitions(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The calls without rounds that ask the same again: the reference does so after a mask that claims nothing, ours stops."""
    rounds = [calls[i : i + 2] for i in range(0, len(calls), 2)]
    return [call for i, each in enumerate(rounds) if i == 0 or each != rounds[i - 1] for call in each]


def _object_by_object(calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The reference is done with one object before it asks about the next, ours asks about all and then follows all."""
    return sorted(calls, key=lambda call: call["obj"] if call["op"] == "add" else int(*call["labels"]))


def _same_calls(ours: list[dict[str, Any]], expected: list[dict[str, Any]]) -> list[bool]:
    same = [len(ours) == len(expected)]
    for our, other in zip(ours, expected, strict=False):
        points = np.array(our.get("points", [])), np.array(other.get("points", []))
        near = points[0].shape == points[1].shape and np.allclose(*points, atol=TOLERANCE)
        same.append(near and all(other[name] == value for name, value in our.items() if name != "points"))
    return same


def _check_points(units: dict[str, Any]) -> Iterator[Check]:
    agree = []
    for row in units["dense_point"]:
        points = np.array(row["points"], np.float32)
        agree.append(np.allclose(points[prompting.densest_point(points)], row["result"][0]))
    yield count("densest point", agree)
    agree = []
    for row in units["centroid"]:
        points = np.array(row["points"], np.float32)
        ours = prompting.spread_points(points)
        if row["tie"]:  # any valid order
            agree.append(np.allclose(np.sort(_from(ours, row["centroid"])), np.sort(_from(row["prompt"], row["centroid"])), atol=TOLERANCE))
        else:
            agree.append(np.allclose(ours, row["prompt"]))
    yield count("spread points", agree)
    agree = []
    for row in units["dilate"]:
        mask = np.zeros(row["shape"], bool)
        mask[tuple(row["pixel_yx"])] = True
        y, x = np.nonzero(prompting.dilate(mask, row["size"]))
        agree.append([y.min(), y.max(), x.min(), x.max()] == row["box_y0y1x0x1_inclusive"])
        agree[-1] &= len(y) == (y.max() - y.min() + 1) * (x.max() - x.min() + 1)
    yield count("dilate", agree)
    row = units["points_in_mask"]
    ours = prompting.points_in_mask(np.array(row["points_xy"], np.float32), np.array(row["mask"], bool))
    yield count("points in mask", ours == row["result"])
    yield count("enough tracks", [(row["in_mask"] >= prompting.MANY) == row["result"] for row in units["judge"]])


def _from(points: Any, centre: list[float]) -> np.ndarray:
    return np.linalg.norm(np.asarray(points) - centre, axis=1)


def _check_merging(units: dict[str, Any]) -> Iterator[Check]:
    hw = tuple(units["merge_canvas"])
    links, areas, whole, longer = [], [], [], 0
    for row in units["merge"]:
        boxes = row["frames"]
        ids = sorted({number for group in row["groups"].values() for number in group})
        tracks = [_boxes([frame.get(str(number)) for frame in boxes], hw) for number in ids]
        same = prompting.same_objects(tracks)
        published = [[ids.index(number) for number in group] for group in row["groups"].values()]
        links.append(_follow_one_level(same, published))
        labels = prompting.label_frames(tracks, published, hw)
        seen = [{str(i): int(n) for i, n in enumerate(np.bincount(image.ravel())) if n} for image in labels]
        areas.append(seen == row["label_histogram"])
        ours = prompting.merged_groups(same)
        longer += sorted(ours) != sorted(published)
        whole.append(
            not any(same[np.ix_(a, b)].any() for a in ours for b in ours if a is not b)
            and sorted(index for group in ours for index in group) == list(range(len(ids)))
        )
    yield count("merge: which objects are one", links)
    yield count("merge: labels of the published groups", areas)
    yield count(
        "merge: groups",
        whole,
        f"{len(whole)} rows; in {longer} ours follows chains to their end, where the reference stops or repeats an object",
    )


def _boxes(boxes: list[list[int] | None], hw: tuple[int, int]) -> prompting.ObjectTrack:
    masks = np.zeros((len(boxes), *hw), bool)
    for mask, box in zip(masks, boxes, strict=True):
        if box:
            mask[box[0] : box[1], box[2] : box[3]] = True
    return prompting.ObjectTrack(np.packbits(masks, axis=-1), np.array([box is not None for box in boxes]), ())


def _follow_one_level(same: np.ndarray, published: list[list[int]]) -> bool:
    """Whether the published groups come from our links: each holds its first object's partners, and theirs, of higher number."""
    for group in published:
        first = [index for index in group if set(group) == _partners(same, index)]
        if not first:
            return False
    return True


def _partners(same: np.ndarray, index: int) -> set[int]:
    direct = {index, *(j for j in np.flatnonzero(same[index]).tolist() if j > index)}
    return direct.union(*({j for j in np.flatnonzero(same[i]).tolist() if j > i} for i in direct))
