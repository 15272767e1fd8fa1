"""Drawing a scene: layers from back to front, each with its own motion blur, and the ground truth with them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from segmo.synthetic.background import build_sheets
from segmo.synthetic.cameras import Camera
from segmo.synthetic.degrade import Sensor
from segmo.synthetic.dynamics import Dynamic, combine
from segmo.synthetic.layers import Field, Sheet, bounds, coarse_grid, refine, size_of, transform
from segmo.synthetic.objects import Cutout
from segmo.synthetic.scene import RenderedScene
from segmo.synthetic.shadows import cast_shadow, reflect, rippling
from segmo.synthetic.spec import Array, SceneSpec
from segmo.types import UInt8

Window = tuple[slice, slice]
"""Rows and columns of a frame."""
_BLUR_STEP = 1.5
"""Pixels of motion between two samples of an exposure."""
_MAX_BLUR_SAMPLES = 12
_OPAQUE = 0.6
"""Smoke that covers more than this hides what is behind it."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One drawn frame."""

    rgb: Field
    """(H, W, 3) before sensor and codec, 0..255."""
    labels: UInt8
    """(H, W) object ids."""
    surfaces: npt.NDArray[np.uint16]
    """(H, W) index of the surface seen: sheets first, then the parts of the objects, then thick smoke."""
    inverse_depth: Field
    """(H, W)."""


def render(spec: SceneSpec, times: Sequence[float] = (-4, -1, 0, 1, 4)) -> RenderedScene:
    """Draw a scene at the given times in frames. The same spec and times give the same arrays, bit for bit."""
    renderer = Renderer(spec)
    sensor = Sensor(spec.degrade, spec.hw)
    drawn = [renderer.frame(time) for time in times]
    return RenderedScene(
        frames=np.stack([sensor.expose(frame.rgb, time) for frame, time in zip(drawn, times, strict=True)]),
        times=np.asarray(times, np.float64),
        labels=np.stack([frame.labels for frame in drawn]),
        object_ids=np.arange(1, len(spec.objects) + 1),
        moving=np.array([thing.moving for thing in spec.objects], bool),
        inverse_depth=np.stack([frame.inverse_depth for frame in drawn]),
        surfaces=np.stack([frame.surfaces for frame in drawn]),
        geometry=renderer,
    )


def render_clip(spec: SceneSpec, frame_count: int = 0) -> RenderedScene:
    """Draw every frame of a scene's span, or the first `frame_count` of them."""
    return render(spec, clip_times(spec, frame_count))


def clip_times(spec: SceneSpec, frame_count: int = 0) -> list[float]:
    """The whole frame times of a scene's span, at most `frame_count` unless that is 0."""
    last = int(spec.span[1] - spec.span[0]) + 1
    return [spec.span[0] + index for index in range(min(frame_count or last, last))]


class Renderer:
    """A scene with its textures painted, ready to be drawn and tracked at any time."""

    def __init__(self, spec: SceneSpec) -> None:
        self.spec = spec
        self.camera = Camera(spec.camera, spec.hw)
        self.sheets = build_sheets(spec, self.camera)
        background = spec.background
        self.dynamics = [
            [Dynamic(stirred, background.horizon, spec.hw[0]) for stirred in background.dynamics if stirred.layer == index]
            for index in range(len(self.sheets))
        ]
        self.smoke, self.clouds = (
            [Dynamic(stirred, background.horizon, spec.hw[0]) for stirred in background.dynamics if stirred.layer == layer]
            for layer in (-1, -2)
        )
        self.cutouts = [Cutout(thing, self._resolution(index), spec.light_angle) for index, thing in enumerate(spec.objects)]
        self.parts = [(index, part) for index, thing in enumerate(spec.objects) for part in range(len(thing.parts))]
        self._planes = [dynamic.spec.inverse_depth for dynamic in self.clouds + self.smoke]

    def frame(self, time: float) -> Frame:
        """Draw one frame."""
        h, w = self.spec.hw
        frame = Frame(
            np.zeros((h, w, 3), np.float32), np.zeros((h, w), np.uint8), np.zeros((h, w), np.uint16), np.zeros((h, w), np.float32)
        )
        layers: list[tuple[float, int, Cutout | Dynamic | None]] = [(sheet.order, index, None) for index, sheet in enumerate(self.sheets)]
        layers += [(cutout.inverse_depth(time), index, cutout) for index, cutout in enumerate(self.cutouts)]
        layers += [(cloud.spec.inverse_depth, index, cloud) for index, cloud in enumerate(self.clouds)]
        for _, index, layer in sorted(layers, key=lambda layer: layer[0]):
            if layer is None:
                self._draw_sheet(frame, index, time)
            elif isinstance(layer, Dynamic):
                self._draw_smoke(frame, index, layer, time)
            else:
                self._draw_cutout(frame, index, layer, time)
        for index, smoke in enumerate(self.smoke, start=len(self.clouds)):
            self._draw_smoke(frame, index, smoke, time)
        return frame

    def surface_to_frame(self, surface: int, xy: Array, time: float) -> Array:
        """Pixels (n, 2) in a frame of points (n, 2) fixed to a surface."""
        if surface < len(self.sheets):
            return self.sheets[surface].to_frame(xy, self.camera.pose(time))[0]
        if surface >= self._first_plane:
            return transform(self._plane_pose(surface, time), xy)
        index, part = self.parts[surface - len(self.sheets)]
        return self.cutouts[index].to_frame(part, xy, self.camera, time)

    def surface_from_frame(self, surface: int, xy: Array, time: float) -> Array:
        """Points (n, 2) fixed to a surface that are seen at pixels (n, 2) of a frame."""
        if surface < len(self.sheets):
            return self.sheets[surface].from_frame(xy[None], self.camera.pose(time))[0]
        if surface >= self._first_plane:
            return transform(np.linalg.inv(self._plane_pose(surface, time)), xy)
        index, part = self.parts[surface - len(self.sheets)]
        return self.cutouts[index].from_frame(part, xy, self.camera, time)

    @property
    def _first_plane(self) -> int:
        return len(self.sheets) + len(self.parts)

    def _plane_pose(self, surface: int, time: float) -> Array:
        """(3, 3) homography from a plane of smoke to the frame; the puffs drift in it."""
        return self.camera.pose(time).homography(self._planes[surface - self._first_plane])

    def _resolution(self, index: int) -> float:
        """Pixels to a unit of an object where it is seen largest, so that its sprite is never enlarged much."""
        thing = self.spec.objects[index]
        largest = 0.0
        for time in np.linspace(self.spec.span[0], self.spec.span[1], 5):
            own = thing.path.clock(float(time))
            pose = self.camera.pose(float(time))
            scale = abs(float(np.linalg.det(pose.homography(thing.inverse_depth * thing.approach(own))[:2, :2]))) ** 0.5
            largest = max(largest, thing.size * thing.approach(own) * thing.growth(own) * scale)
        return float(np.clip(largest, 4, 2 * max(self.spec.hw)))

    def _exposure(self, time: float, motion: float) -> list[float]:
        """Times at which a layer that moves by `motion` pixels a frame is drawn to blur it; the middle one is `time`."""
        samples = int(np.clip(motion * self.spec.exposure / _BLUR_STEP, 0, _MAX_BLUR_SAMPLES)) // 2
        if samples == 0:
            return [time]
        return [time + self.spec.exposure * step / (2 * samples + 1) for step in range(-samples, samples + 1)]

    def _draw_sheet(self, frame: Frame, index: int, time: float) -> None:
        sheet, pose, half = self.sheets[index], self.camera.pose(time), self.spec.exposure / 2
        window = sheet.window(
            [self.camera.pose(moment) for moment in ((time - half, time, time + half) if half else (time,))], self.spec.hw
        )
        if window is None:
            return
        grid = coarse_grid(window)
        own = sheet.from_frame(grid, pose)
        stir = combine([dynamic.stir(own, time) for dynamic in self.dynamics[index]]) if self.dynamics[index] else None
        looked_up = refine(own + stir.displacement if stir else own, window)
        images = [sheet.colour(looked_up + offset) for offset in self._exposure_offsets(sheet, own, grid, window, time)]
        rgba, cover = _mean(images), images[len(images) // 2][..., 3] > 127
        if stir:
            rgba = _stirred(rgba, refine(stir.gain, window), refine(stir.veil, window), stir.veil_colour)
        depth = sheet.to_frame(own.reshape(-1, 2), pose)[1].reshape(own.shape[:2])
        _composite(frame, window, rgba, cover, refine(depth, window), 0, index)

    def _exposure_offsets(self, sheet: Sheet, own: Array, grid: Array, window: Window, time: float) -> list[Field | np.float32]:
        """How far the sheet's own coordinates lie from the middle of the exposure at each of its samples; the middle one is 0."""
        half = self.spec.exposure / 2
        if half <= 0:
            return [np.float32(0)]
        before, after = (sheet.from_frame(grid, self.camera.pose(time + side)) - own for side in (-half, half))
        steps = [moment / half for moment in self._exposure(0.0, float(np.abs(after - before).max()) / (2 * half))]
        if len(steps) == 1:
            return [np.float32(0)]
        fine = {-1.0: refine(before, window), 1.0: refine(after, window)}
        return [np.float32(0) if step == 0 else fine[math.copysign(1, step)] * np.float32(abs(step)) for step in steps]

    def _draw_smoke(self, frame: Frame, index: int, smoke: Dynamic, time: float) -> None:
        """Smoke in front of what has been drawn; where it is thick, its plane is what is seen."""
        window = (slice(0, self.spec.hw[0]), slice(0, self.spec.hw[1]))
        own = transform(np.linalg.inv(self.camera.pose(time).homography(smoke.spec.inverse_depth)), coarse_grid(window))
        stir = smoke.stir(own, time)
        veil = refine(stir.veil, window)
        frame.rgb[:] += (stir.veil_colour.astype(np.float32) - frame.rgb) * veil[..., None]
        thick = veil > _OPAQUE
        frame.labels[thick], frame.surfaces[thick] = 0, self._first_plane + index
        np.copyto(frame.inverse_depth, self._plane_depth(smoke.spec.inverse_depth, window, time), where=thick)

    def _draw_cutout(self, frame: Frame, index: int, cutout: Cutout, time: float) -> None:
        boxes = [self._box(cutout, part, time) for part in range(len(cutout.sprites))]
        window = _union([box for box in boxes if box is not None])
        if window is None:
            return
        rows, columns = window
        hw = size_of(window)
        rgba, cover, seen = np.zeros((*hw, 4), np.float32), np.zeros(hw, bool), np.zeros(hw, np.uint16)
        first = len(self.sheets) + self.parts.index((index, 0))
        for part, box in enumerate(boxes):
            if box is None:
                continue
            inner = (
                slice(box[0].start - rows.start, box[0].stop - rows.start),
                slice(box[1].start - columns.start, box[1].stop - columns.start),
            )
            times = self._exposure(time, self._motion(cutout, part, time))
            images = [self._part_image(cutout, part, box, moment) for moment in times]
            drawn = _mean(images)
            rgba[inner] = drawn + rgba[inner] * (1 - drawn[..., 3:] / 255)
            sharp = images[len(images) // 2][..., 3] > 127
            cover[inner] |= sharp
            seen[inner][sharp] = first + part
        foot = transform(cutout.pose(self.camera, time), np.array([[0.0, cutout.floor_y]]))[0]
        if cutout.spec.shadow > 0:
            cast_shadow(frame.rgb, rgba[..., 3], window, (float(foot[0]), float(foot[1])), self.spec.light_angle, cutout.spec.shadow)
        if cutout.spec.reflection > 0:
            at = float(foot[0]), float(foot[1])
            bent = rippling(cutout.spec.ripples, at, cutout.spec.path(time), time) if cutout.spec.ripples else None
            reflect(frame.rgb, rgba, window, at[1], cutout.spec.reflection, bent)
        _composite(frame, window, rgba, cover, self._plane_depth(cutout.inverse_depth(time), window, time), index + 1, seen)

    def _plane_depth(self, inverse_depth: float, window: Window, time: float) -> Field:
        """(h, w) inverse depth of the plane of a cut-out or of smoke: affine in the pixels of the frame."""
        row = np.linalg.inv(self.camera.pose(time).homography(inverse_depth))[2]
        ys, xs = np.arange(window[0].start, window[0].stop), np.arange(window[1].start, window[1].stop)
        return (inverse_depth * (row[0] * xs[None] + row[1] * ys[:, None] + row[2])).astype(np.float32)

    def _motion(self, cutout: Cutout, part: int, time: float) -> float:
        """Pixels a frame that the fastest corner of a part moves."""
        if self.spec.exposure <= 0:
            return 0.0
        corners = cutout.sprites[part].corners
        ends = [cutout.to_frame(part, corners, self.camera, time + side * self.spec.exposure / 2) for side in (-1, 1)]
        return float(np.abs(ends[1] - ends[0]).max()) / self.spec.exposure

    def _box(self, cutout: Cutout, part: int, time: float) -> Window | None:
        """Rows and columns of the frame that a part can touch during the exposure."""
        corners = cutout.sprites[part].corners
        half = self.spec.exposure / 2
        posed = np.concatenate([cutout.to_frame(part, corners, self.camera, time + side) for side in ((-half, 0, half) if half else (0,))])
        bend = sum(abs(warp.amplitude) for warp in cutout.spec.warps) * 2 * cutout.spec.size * 1.5
        return bounds(posed, self.spec.hw, 1 + bend)

    def _part_image(self, cutout: Cutout, part: int, box: Window, time: float) -> UInt8:
        """(h, w, 4) a part as seen in a rectangle of the frame."""
        top, left, hw = box[0].start, box[1].start, size_of(box)
        sprite = cutout.sprites[part]
        if not cutout.spec.warps:
            matrix = cutout.pose(self.camera, time) @ cutout.joints(time)[part] @ sprite.to_object
            matrix = np.array([[1.0, 0, -left], [0, 1.0, -top], [0, 0, 1.0]]) @ matrix
            return cv2.warpPerspective(sprite.image, matrix, (hw[1], hw[0]), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        own = cutout.from_frame(part, coarse_grid(box), self.camera, time)
        return cv2.remap(sprite.image, refine(own, box), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def _mean(images: Sequence[UInt8]) -> Field:
    total = images[0].astype(np.float32)
    for image in images[1:]:
        cv2.accumulate(image, total)
    return total if len(images) == 1 else total / np.float32(len(images))


def _stirred(rgba: Field, gain: Field, veil: Field, veil_colour: Array) -> Field:
    """A sheet's colours under the light and smoke of its dynamic textures."""
    covered = rgba[..., 3:] * veil[..., None]
    colour = rgba[..., :3] * (gain * (1 - veil))[..., None] + covered * (veil_colour / 255).astype(np.float32)
    return np.concatenate([np.minimum(colour, rgba[..., 3:]), rgba[..., 3:]], axis=-1)


def _union(boxes: Sequence[Window]) -> Window | None:
    if not boxes:
        return None
    rows = slice(min(box[0].start for box in boxes), max(box[0].stop for box in boxes))
    return rows, slice(min(box[1].start for box in boxes), max(box[1].stop for box in boxes))


def _composite(
    frame: Frame,
    window: Window,
    rgba: Field,
    cover: npt.NDArray[np.bool_],
    depth: Field,
    label: int,
    surface: int | npt.NDArray[np.uint16],
) -> None:
    """Paint a layer over a frame; where `cover` is true the frame's ground truth becomes the layer's."""
    below = frame.rgb[window]
    if cover.all() and rgba[..., 3].min() == 255:
        below[:] = rgba[..., :3]
        frame.labels[window], frame.surfaces[window], frame.inverse_depth[window] = label, surface, depth
        return
    below *= np.float32(1) - rgba[..., 3:] * np.float32(1 / 255)
    below += rgba[..., :3]
    np.copyto(frame.labels[window], np.uint8(label), where=cover)
    np.copyto(frame.surfaces[window], np.asarray(surface, np.uint16), where=cover)
    np.copyto(frame.inverse_depth[window], depth, where=cover)
