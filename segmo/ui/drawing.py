"""From products to the small pictures and videos of the tabs: quick to make, playable everywhere, a few hundred kilobytes each."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import numpy.typing as npt

from segmo import render
from segmo.geometry import fit_side, rescale_points, resize_labels, resize_picture
from segmo.parallel import parallel_map
from segmo.settings import Correction
from segmo.stages.frames import EFFICIENT_SIDE, FramePlan
from segmo.types import Clip, DepthMaps, FeatureMaps, Int, MotionLabels, ObjectMasks, Tracks, UInt8
from segmo.ui import text
from segmo.ui.edits import ObjectEdits, apply_edits, default_name
from segmo.ui.parts import VIEW_FOLDER, MotionPart, MovingObject, PicturesPart, ResultPart, VideoPart
from segmo.video import write_mp4

Item = TypeVar("Item")

RESULT_SIDE_PX = EFFICIENT_SIDE  # so that a clip in efficiency mode is not scaled once more
TAB_SIDE_PX = 640
PAIR_SIDE_PX = 480
"""Of each of two pictures side by side."""
MAX_PICTURES = 20
BINS = 40
MAX_POINTS, MAX_POINT_FRAMES = 700, 10
NO_EDITS = ObjectEdits()
QUERY_COLOUR = (255, 176, 32)
CLICK_COLOURS = {True: (0, 120, 255), False: (225, 60, 20)}
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


@dataclass(frozen=True)
class Canvas:
    """The sampled frames at the size of the tabs' videos, and the folder to draw into."""

    directory: Path
    clip: Clip
    hw: tuple[int, int]
    """Height and width in pixels."""

    def frame(self, t: int) -> UInt8:
        """(h, w, 3), one frame: the first tab needs only some."""
        return resize_picture(self.clip.frames[t], self.hw)

    @cached_property
    def frames(self) -> UInt8:
        """(T, h, w, 3), shrunk once for all tabs that need every frame."""
        return self.clip.frames if self.hw == self.clip.hw else np.stack(list(parallel_map(self.frame, range(len(self.clip)))))


def open_canvas(directory: Path, clip: Clip) -> Canvas:
    """A canvas for the tabs of a run."""
    (directory / VIEW_FOLDER).mkdir(parents=True, exist_ok=True)
    return Canvas(directory, clip, fit_side(clip.hw, TAB_SIDE_PX))


def draw_original(canvas: Canvas) -> ResultPart:
    """The clip as it was sampled, to play beside the result."""
    hw = fit_side(canvas.clip.hw, RESULT_SIDE_PX)
    name = _video(canvas, "original", lambda t: resize_picture(canvas.clip.frames[t], hw))
    indices = canvas.clip.source_indices.tolist()
    return ResultPart(original=name, frame_count=len(canvas.clip), width=hw[1], height=hw[0], source_indices=indices)


def draw_frames(canvas: Canvas, query_frames: Int) -> PicturesPart:
    """Sampled frames, query frames first among equals: they are framed and never left out before others."""
    clip, queries = canvas.clip, set(query_frames.tolist())
    chosen = sorted(_spread(sorted(queries), MAX_PICTURES))
    others = [t for t in range(len(clip)) if t not in queries]
    chosen = sorted({*chosen, *_spread(others, MAX_PICTURES - len(chosen))})
    pictures = []
    for t in chosen:
        frame = canvas.frame(t).copy()
        if t in queries:
            width = max(4, frame.shape[0] // 45)
            cv2.rectangle(frame, (0, 0), (frame.shape[1] - 1, frame.shape[0] - 1), QUERY_COLOUR, 2 * width)
        caption = f"{'query ' if t in queries else ''}{clip.source_indices[t]} · {clip.timestamps_s[t]:.2f} s"
        pictures.append((_picture(canvas, f"frame_{t:04d}", frame), caption))
    (height, width), (source_height, source_width) = clip.hw, clip.source_hw
    shrunk = f", shrunk from {source_width}×{source_height}" if clip.hw != clip.source_hw else ""
    facts = [f"{len(clip)} of {clip.source_frame_count} frames used", f"{width}×{height} px{shrunk}"]
    facts += [f"{_rate(clip):.3g} frames a second", f"tracks start on {len(queries)}"]
    told = FramePlan(len(clip), clip.source_frame_count, clip.hw, clip.source_hw).notes  # by these facts: as intended, and no warning
    return PicturesPart(facts, [note for note in clip.notes if note not in told], pictures)


def draw_depth(canvas: Canvas, depth: DepthMaps) -> VideoPart:
    """The frames, and beside them their depth in colours."""

    hw, frames = fit_side(canvas.hw, PAIR_SIDE_PX), canvas.frames

    def draw(t: int) -> UInt8:
        picture = render.depth_colours(depth.inverse_depth[t], hw, bool(depth.reliable[t]))
        return render.side_by_side(resize_picture(frames[t], hw), picture)

    name = _video(canvas, "depth", draw)
    unreliable = int((~depth.reliable).sum())
    facts = [f"not observable in {unreliable} of {len(depth.reliable)} frames, shown in grey"] if unreliable else []
    return VideoPart(facts, depth.notes, name)


def draw_tracks(canvas: Canvas, tracks: Tracks, probability: npt.NDArray[np.float32] | None = None) -> VideoPart:
    """Trails of the tracks, coloured by their (N,) probability of motion once that is known.

    Until then under another name, since players keep what an address has shown before.
    """
    small, facts = _scaled(tracks, canvas.hw), [f"{len(tracks)} tracks"]
    colour_by: render.ColourBy = "rainbow"
    name = "tracks_first"
    if probability is not None:
        name, colour_by, facts = "tracks", "probability", [*facts, "orange moves, blue stands still"]
    draw, frames = functools.partial(render.trails, colour_by=colour_by, probability=probability), canvas.frames
    return VideoPart(facts, (), _video(canvas, name, lambda t: draw(frames[t], small, t)))


def draw_features(canvas: Canvas, features: FeatureMaps) -> PicturesPart:
    """Principal components of the features as colours, on the query frames."""
    shown = _spread(range(len(features.query_frames)), MAX_PICTURES // 2)
    colours = render.feature_colours(features)
    pictures = []
    hw = fit_side(canvas.hw, PAIR_SIDE_PX)
    for q in shown:
        t = int(features.query_frames[q])
        cells = cv2.resize(colours[q], hw[::-1], interpolation=cv2.INTER_NEAREST)
        both = render.side_by_side(resize_picture(canvas.frames[t], hw), cells)
        pictures.append((_picture(canvas, f"features_{t:04d}", both), f"{canvas.clip.timestamps_s[t]:.2f} s"))
    _, rows, columns, channels = features.features.shape
    return PicturesPart(
        [f"{columns}×{rows} cells of {channels} numbers on each of {len(features.query_frames)} query frames"], (), pictures
    )


def draw_motion(canvas: Canvas, tracks: Tracks, labels: MotionLabels) -> MotionPart:
    """Probability of motion: the dense map where the model gives one, with the tracks above the threshold on top."""
    evidence, small = labels.evidence, _scaled(tracks, canvas.hw)
    chosen = np.unique(np.linspace(0, len(tracks) - 1, min(len(tracks), 1500)).round().astype(np.intp))
    dense, frames = evidence.probability_maps.size > 0, canvas.frames

    def draw(t: int) -> UInt8:
        if dense:
            return render.probability_map(frames[t], evidence.probability_maps[t])
        positions, visible = small.positions_xy[chosen, t], small.visible[chosen, t]
        return render.track_probability(frames[t], positions, evidence.track_probability[chosen], visible, labels.threshold)

    counts = np.histogram(evidence.track_probability, bins=BINS, range=(0, 1))[0]
    facts = [f"{int(labels.moving.sum())} of {len(labels.moving)} tracks move", f"threshold {labels.threshold:.2f}"]
    above = int((evidence.track_probability > labels.threshold).sum())
    if labels.nothing_moves and above:
        facts.append(text.too_weak(above))
    facts.append(f"anything moves with probability {evidence.moving_score:.2f}")
    if evidence.camera_motion:
        facts.append(evidence.camera_motion[0].lower() + evidence.camera_motion[1:].rstrip("."))
    notes = list(dict.fromkeys([*evidence.notes, *labels.notes]))
    points = _points(canvas, small, evidence.track_probability)
    return MotionPart(facts, notes, _video(canvas, "motion", draw), counts.tolist(), labels.threshold, points)


def _points(canvas: Canvas, tracks: Tracks, probability: npt.NDArray[np.float32]) -> str:
    """Write what the page needs to show the labels at any threshold: small enough to fetch at once."""
    likely = np.argsort(-probability, kind="stable")[: MAX_POINTS // 2]  # what moves is often a small part, and is what people look for
    chosen = np.union1d(likely, np.array(_spread(range(len(tracks)), MAX_POINTS // 2), np.intp))
    frames = []
    for picture in _spread(sorted((canvas.directory / VIEW_FOLDER).glob("frame_*.jpg")), MAX_POINT_FRAMES):
        t = int(picture.stem.rpartition("_")[2])
        here = chosen[tracks.visible[chosen, t]]
        xy = np.rint(tracks.positions_xy[here, t]).astype(int)
        frames.append({"picture": picture.name, "tracks": here.tolist(), "xy": xy.ravel().tolist()})
    content = {"hw": canvas.hw, "probability": np.round(probability.astype(float), 5).tolist(), "frames": frames}
    file = f"{VIEW_FOLDER}/points.json"
    (canvas.directory / file).write_text(json.dumps(content, separators=(",", ":")), encoding="utf-8")
    return file


def draw_masks(canvas: Canvas, masks: ObjectMasks) -> VideoPart:
    """The masks alone, a colour an object."""
    name = _video(canvas, "masks", lambda t: render.OBJECT_COLOURS[resize_labels(masks.labels[t : t + 1], canvas.hw)[0]])
    count = len(masks.object_ids)
    return VideoPart([f"{count} moving object{'' if count == 1 else 's'}"] if count else [], masks.notes, name)


def draw_result(canvas: Canvas, original: ResultPart, found: ObjectMasks, edits: ObjectEdits = NO_EDITS) -> ResultPart:
    """The clip with its masks, and the list of objects, also of those that are switched off."""
    masks = apply_edits(found, edits)
    hw = (original.height, original.width)

    def draw(t: int) -> UInt8:
        labels = resize_labels(masks.labels[t : t + 1], hw)[0]
        return render.overlay(resize_picture(canvas.clip.frames[t], hw), labels, tags=True)

    name = _video(canvas, "overlay", draw)
    notes = () if found.nothing_moves else found.notes
    objects, indices = _objects(found, edits), original.source_indices
    return ResultPart((), notes, original.original, name, len(masks.labels), hw[1], hw[0], objects, edits.to_dict(), indices)


def _objects(found: ObjectMasks, edits: ObjectEdits) -> list[MovingObject]:
    masks = apply_edits(found, edits, with_off=True)
    shares = masks.areas().T / masks.labels[0].size
    rows = []
    for identity, score, share in zip(masks.object_ids.tolist(), masks.motion_scores.tolist(), shares, strict=True):
        visible = share > 0
        colour = "#" + bytes(render.OBJECT_COLOURS[identity]).hex()
        seen, area, name = int(visible.sum()), float(share[visible].mean()), edits.names.get(identity, default_name(identity))
        rows.append(MovingObject(identity, colour, score, seen, area, name, identity not in edits.off))
    return rows


def mark_clicks(picture: UInt8, corrections: Iterable[Correction]) -> None:
    """Draw clicks into an (H, W, 3) picture: a blue disc with a plus for what moves, a red one with a minus for what does not."""
    height, width = picture.shape[:2]
    radius = max(7, round(0.022 * min(height, width)))
    arm, thick = round(0.55 * radius), max(2, radius // 4)
    for correction in corrections:
        x, y = round(correction.x * width - 0.5), round(correction.y * height - 0.5)
        cv2.circle(picture, (x, y), radius + 2, WHITE, -1, cv2.LINE_AA)
        cv2.circle(picture, (x, y), radius, CLICK_COLOURS[correction.moves], -1, cv2.LINE_AA)
        cv2.line(picture, (x - arm, y), (x + arm, y), WHITE, thick)
        if correction.moves:
            cv2.line(picture, (x, y - arm), (x, y + arm), WHITE, thick)


def mark_aim(picture: UInt8, x: float, y: float) -> None:
    """Draw a ring into an (H, W, 3) picture, at a place in [0, 1] of its width and height."""
    height, width = picture.shape[:2]
    radius = max(9, round(0.03 * min(height, width)))
    centre = (round(x * width - 0.5), round(y * height - 0.5))
    for colour, thick in ((BLACK, 5), (WHITE, 2)):
        cv2.circle(picture, centre, radius, colour, thick, cv2.LINE_AA)
        cv2.circle(picture, centre, 1, colour, thick, cv2.LINE_AA)


def _video(canvas: Canvas, name: str, draw: Callable[[int], npt.NDArray[np.uint8]]) -> str:
    file = f"{VIEW_FOLDER}/{name}.mp4"
    write_mp4(canvas.directory / file, parallel_map(draw, range(len(canvas.clip))), _rate(canvas.clip))
    return file


def _rate(clip: Clip) -> float:
    return min(max(clip.fps, 1.0), 60.0)


def _picture(canvas: Canvas, name: str, image: UInt8) -> str:
    file = f"{VIEW_FOLDER}/{name}.jpg"
    ok, code = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 76])
    assert ok
    (canvas.directory / file).write_bytes(code.tobytes())
    return file


def _spread(items: Sequence[Item], count: int) -> list[Item]:
    """At most `count` items, evenly over all."""
    if count <= 0 or not items:
        return []
    return [items[i] for i in np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))]


def _scaled(tracks: Tracks, hw: tuple[int, int]) -> Tracks:
    if tracks.frame_hw == hw:
        return tracks
    positions = rescale_points(tracks.positions_xy, tracks.frame_hw, hw)
    return Tracks(positions, tracks.visibility, tracks.confidence, tracks.query_frames, hw)
