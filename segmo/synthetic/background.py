"""The still surroundings of a scene as sheets: far plane and ground with relief, and silhouettes in front of them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from segmo.synthetic.cameras import Camera
from segmo.synthetic.layers import DepthField, Field, Sheet, transform
from segmo.synthetic.spec import Array, BackgroundSpec, SceneSpec, StepSpec
from segmo.synthetic.textures import paint, smooth_noise
from segmo.types import UInt8

_STEP = 8
"""Pixels between the points of an inverse depth field."""
_TILE = 512
"""Side of the square of texture that a ground in perspective repeats, mirrored."""
_MAX_FOLD = 0.7
"""Largest stretch that relief may cause; below 1 a sheet never hides part of itself and its map can be inverted."""
_MAX_CANVAS = 3.0
"""A canvas grows to at most this many frames a side; beyond it the texture is mirrored."""


def build_sheets(spec: SceneSpec, camera: Camera) -> list[Sheet]:
    """All sheets of a scene, the backmost first."""
    background = spec.background
    window = canvas_window(spec, camera)
    depth = _background_depth(spec, camera, window)
    colour = _background_colour(background, window)
    if background.defocus > 0:
        colour = cv2.GaussianBlur(colour, (0, 0), background.defocus)
    haze_colour = colour.reshape(-1, 3)[:: max(colour.size // 3000, 1)].mean(axis=0)
    opaque = np.full((*colour.shape[:2], 1), 255, np.uint8)
    sheets = [Sheet(np.concatenate([colour, opaque], axis=-1), window[:2], depth, -1.0, endless=True)]
    for step in background.steps:
        sheets.append(_silhouette(step, window, background, haze_colour))
    return sheets


def canvas_window(spec: SceneSpec, camera: Camera) -> tuple[int, int, int, int]:
    """(left, top, right, bottom) of the part of the reference frame, and of what lies around it, that the camera ever sees."""
    h, w = spec.hw
    corners = np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64)
    seen: list[Array] = [corners]
    for time in np.linspace(spec.span[0], spec.span[1], 9):
        pose = camera.pose(float(time))
        for depth in (0.0, 1.0):
            seen.append(transform(np.linalg.inv(pose.homography(depth)), corners))
    low, high = np.min(np.concatenate(seen), axis=0) - 8, np.max(np.concatenate(seen), axis=0) + 8
    spare = (_MAX_CANVAS - 1) / 2 * np.array([w, h])
    low, high = np.maximum(low, -spare), np.minimum(high, np.array([w, h]) + spare)
    return int(np.floor(low[0])), int(np.floor(low[1])), int(np.ceil(high[0])), int(np.ceil(high[1]))


def plane_inverse_depth(background: BackgroundSpec, y: Array | float) -> Array:
    """Inverse depth of far plane and ground at rows of the reference frame, without relief."""
    return np.maximum(background.far_inverse_depth, (np.asarray(y, np.float64) - background.horizon) * background.ground_slope)


def _background_depth(spec: SceneSpec, camera: Camera, window: tuple[int, int, int, int]) -> DepthField:
    background = spec.background
    hw = ((window[3] - window[1]) // _STEP + 2, (window[2] - window[0]) // _STEP + 2)
    rows = window[1] + _STEP * np.arange(hw[0], dtype=np.float64)
    plane = np.repeat(np.minimum(plane_inverse_depth(background, rows), 1.2)[:, None], hw[1], axis=1)
    if background.relief <= 0:
        return DepthField(plane.astype(np.float32), window[:2], _STEP)
    rng = np.random.default_rng([background.seed, 0xDE])
    bumps = plane * (np.exp(background.relief * smooth_noise(rng, hw, max(background.relief_scale / _STEP, 2.0))) - 1)
    flattening = min(1.0, _MAX_FOLD / max(_fold(bumps, spec, camera, window), 1e-9))
    return DepthField((plane + flattening * bumps).astype(np.float32), window[:2], _STEP)


def _fold(depth: Array, spec: SceneSpec, camera: Camera, window: tuple[int, int, int, int]) -> float:
    """Largest rate at which parallax varies along its own direction anywhere in the span; 1 would fold the sheet."""
    dy, dx = np.gradient(depth, _STEP)
    ys, xs = np.mgrid[0 : depth.shape[0], 0 : depth.shape[1]] * _STEP
    largest = 0.0
    for time in np.linspace(spec.span[0], spec.span[1], 5):
        shift = camera.pose(float(time)).shift
        rate = (shift[0] - (xs + window[0]) * shift[2]) * dx + (shift[1] - (ys + window[1]) * shift[2]) * dy
        largest = max(largest, float(np.abs(rate).max()))
    return largest


def _background_colour(background: BackgroundSpec, window: tuple[int, int, int, int]) -> UInt8:
    hw = (window[3] - window[1], window[2] - window[0])
    far = paint(background.far, hw)
    if background.patches is not None:
        noise = smooth_noise(np.random.default_rng([background.seed, 0xA7]), hw, min(hw) / 4)
        far = np.where(noise[..., None] > 0.2, paint(background.patches, hw), far)
    if background.ground is None:
        return far
    first = int(np.clip(round(background.horizon) - window[1], 0, hw[0]))
    if first >= hw[0]:
        return far
    ground = _ground_colour(background, window, first).astype(np.float32)
    if background.haze > 0:
        away = np.exp(-np.arange(hw[0] - first, dtype=np.float32) / (0.12 * hw[0]))[:, None, None] * background.haze
        ground += (far[max(first - 8, 0) : max(first, 1)].mean(axis=(0, 1)) - ground) * away
    far[first:] = np.clip(ground, 0, 255).astype(np.uint8)
    return far


def _ground_colour(background: BackgroundSpec, window: tuple[int, int, int, int], first: int) -> UInt8:
    """(h, w, 3) of the rows from `first` on, in perspective if asked for: rows at 1 / z, columns at x / z."""
    assert background.ground is not None
    h, w = window[3] - window[1] - first, window[2] - window[0]
    if not background.perspective:
        return paint(background.ground, (h, w))
    tile = paint(background.ground, (_TILE, _TILE))
    below = (np.arange(h, dtype=np.float32) + 0.5 + first + window[1] - background.horizon).clip(1)
    near = np.float32(max(h * 0.8, 60))  # the row at which the texture has its own size
    magnification = near / below
    centre = (window[0] + window[2]) / 2
    map_x = (np.arange(w, dtype=np.float32)[None] + window[0] - centre) * magnification[
        :, None
    ] + _TILE // 2  # no mirror axis in the middle
    map_y = np.repeat((-near * magnification)[:, None], w, axis=1)
    blurred, ground = tile, np.zeros((h, w, 3), np.uint8)
    for level in range(6):  # distant rows come from smaller versions of the tile, as in mip mapping
        rows = (magnification >= 2**level / 1.5) if level else np.ones(h, bool)
        if not rows.any():
            break
        shrink = 2.0**-level
        ground[rows] = cv2.remap(blurred, map_x[rows] * shrink, map_y[rows] * shrink, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        blurred = cv2.resize(blurred, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return ground


def _silhouette(step: StepSpec, window: tuple[int, int, int, int], background: BackgroundSpec, haze_colour: Array) -> Sheet:
    left, right = (int(np.clip(round(edge) if np.isfinite(edge) else edge, window[0], window[2])) for edge in (step.left, step.right))
    right = max(right, left + 4)
    rng = np.random.default_rng([step.seed, 0x51])
    profile = SILHOUETTES[step.kind](rng, right - left, max(step.roughness, 0.0))
    top = int(np.floor(step.top + profile.min())) - 2
    bottom = max(int(np.ceil(step.bottom)) + 2, top + 8)
    hw = (bottom - top, right - left)
    rows = np.arange(top, bottom, dtype=np.float32)[:, None]
    cover = np.clip(rows - (step.top + profile)[None] + 0.5, 0, 1) * np.clip(np.float32(step.bottom) - rows + 0.5, 0, 1)
    colour = paint(step.texture, hw).astype(np.float32)
    colour += (haze_colour - colour) * np.float32(background.haze * (1 - min(step.inverse_depth * 2, 1)))
    image = np.concatenate([np.clip(colour, 0, 255) * cover[..., None], 255 * cover[..., None]], axis=-1)
    if background.defocus > 0:
        image = cv2.GaussianBlur(image, (0, 0), background.defocus, borderType=cv2.BORDER_CONSTANT)
    padded = cv2.copyMakeBorder(np.round(image).astype(np.uint8), 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(0, 0, 0, 0))
    if not np.isfinite(step.left):
        padded[:, :2] = padded[:, 2:3]
    if not np.isfinite(step.right):
        padded[:, -2:] = padded[:, -3:-2]
    depth = DepthField(np.full((1, 1), step.inverse_depth, np.float32), (0.0, 0.0), 1.0)
    return Sheet(padded, (left - 2.0, top - 2.0), depth, step.inverse_depth)


def _hills(rng: np.random.Generator, width: int, roughness: float) -> Field:
    return roughness * (0.8 * smooth_noise(rng, (1, width), 160)[0] + 0.35 * smooth_noise(rng, (1, width), 45)[0])


def _mountains(rng: np.random.Generator, width: int, roughness: float) -> Field:
    scales = ((150.0, 0.9), (50.0, 0.35), (17.0, 0.12), (6.0, 0.05))
    ridge = sum(weight * np.abs(smooth_noise(rng, (1, width), scale)[0]) for scale, weight in scales)
    return np.asarray(roughness * (1.0 - ridge), np.float32)


def _skyline(rng: np.random.Generator, width: int, roughness: float) -> Field:
    profile = np.zeros(width, np.float32)
    x = 0
    while x < width:
        wide = int(rng.uniform(18, 70))
        profile[x : x + wide] = roughness * rng.uniform(-1, 1)
        x += wide
    return profile


def _treeline(rng: np.random.Generator, width: int, roughness: float) -> Field:
    xs = np.arange(width, dtype=np.float32)
    profile = np.full(width, roughness, np.float32)
    for centre in np.arange(0, width, max(roughness * 0.7, 6)):
        radius = max(roughness, 4) * rng.uniform(0.7, 1.3)
        inside = np.clip(1 - ((xs - centre - rng.uniform(-4, 4)) / radius) ** 2, 0, 1)
        profile = np.minimum(profile, roughness - 2 * roughness * rng.uniform(0.6, 1.1) * np.sqrt(inside))
    return profile.astype(np.float32)


def _wall(rng: np.random.Generator, width: int, roughness: float) -> Field:
    return np.zeros(width, np.float32)


SILHOUETTES: dict[str, Callable[[np.random.Generator, int, float], Field]] = {
    "hills": _hills,
    "mountains": _mountains,
    "skyline": _skyline,
    "treeline": _treeline,
    "wall": _wall,
}
