"""Procedural surfaces: a scalar field of some kind, coloured by a palette.

Fields are float32 in [0, 1]; `paint` turns a `TextureSpec` into RGB. Dead leaves and 1/f noise have the statistics of natural
images (Lee, Mumford and Huang, "Occlusion models for natural images", IJCV 2001).
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from segmo.errors import SettingsError
from segmo.synthetic.photos import photo
from segmo.synthetic.spec import TextureSpec
from segmo.types import UInt8

Field = npt.NDArray[np.float32]
Hw = tuple[int, int]
Rng = np.random.Generator


def paint(spec: TextureSpec, hw: Hw) -> UInt8:
    """RGB (H, W, 3) of a texture; the same spec and size give the same pixels."""
    if spec.kind not in KINDS:
        raise SettingsError(f"The texture kind is {spec.kind!r}. Choose one of {', '.join(KINDS)}.")
    rng = np.random.default_rng([spec.seed, 0x7E])
    if spec.kind == "photo":
        return photo(rng, hw, spec.scale, spec.angle)
    field = _FIELDS[spec.kind](rng, hw, max(spec.scale, 2.0), spec.angle)
    colour = cv2.applyColorMap(np.clip(field * 255, 0, 255).astype(np.uint8), _palette_table(spec)[:, None])
    if spec.grain <= 0 and spec.roughness <= 0:
        return colour
    light = np.float32(spec.grain) * cv2.resize(rng.standard_normal((hw[0] // 2 + 1, hw[1] // 2 + 1), dtype=np.float32), (hw[1], hw[0]))
    if spec.roughness > 0:
        light += np.float32(spec.roughness / 2) * sum(smooth_noise(rng, hw, scale) for scale in (3.0, 6.0, 12.0, 24.0))
    return cv2.multiply(colour, cv2.cvtColor(1 + light, cv2.COLOR_GRAY2RGB), dtype=cv2.CV_8U)


def _palette_table(spec: TextureSpec) -> UInt8:
    stops = np.asarray(spec.palette, np.float64)
    at = np.linspace(0, 1, len(stops))
    wanted = np.linspace(0, 1, 256)
    return np.stack([np.interp(wanted, at, stops[:, c]) for c in range(3)], axis=1).round().astype(np.uint8)


def smooth_noise(rng: Rng, hw: Hw, scale: float) -> Field:
    """(H, W) noise of one scale, mean 0 and deviation about 1."""
    h, w = int(hw[0] / scale) + 4, int(hw[1] / scale) + 4
    coarse = rng.standard_normal((h, w), dtype=np.float32)
    shift = rng.uniform(0, 1, 2)
    zoom = np.array([[1 / scale, 0, 1 + shift[0]], [0, 1 / scale, 1 + shift[1]]])
    fine: Field = cv2.warpAffine(
        coarse, zoom, (hw[1], hw[0]), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    return fine * np.float32(1.35)


def fractal_noise(rng: Rng, hw: Hw, scale: float, octaves: int = 5, falloff: float = 0.6) -> Field:
    """(H, W) noise in [0, 1] whose octaves fall off towards fine detail, like 1/f noise."""
    total = np.zeros(hw, np.float32)
    norm = 0.0
    amplitude = 1.0
    for octave in range(octaves):
        size = scale * 2 / 2**octave
        if size < 1.5:
            break
        total += np.float32(amplitude) * smooth_noise(rng, hw, size)
        norm += amplitude**2
        amplitude *= falloff
    return np.clip(0.5 + total * np.float32(0.28 / max(norm, 1e-6) ** 0.5), 0, 1)


def _grid(hw: Hw, angle: float) -> tuple[Field, Field]:
    ys, xs = np.mgrid[0 : hw[0], 0 : hw[1]].astype(np.float32)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return xs * cos + ys * sin, ys * cos - xs * sin


def _plain(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    return np.clip(0.5 + 0.05 * smooth_noise(rng, hw, scale * 4), 0, 1)


def _gradient(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    along, _ = _grid(hw, angle + np.pi / 2)
    span = along.max() - along.min() + np.float32(1e-6)
    return np.clip((along - along.min()) / span, 0, 1)


def _noise(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    return fractal_noise(rng, hw, scale)


def _stripes(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    along, _ = _grid(hw, angle)
    bend = smooth_noise(rng, hw, scale * 3) * np.float32(rng.choice([0.0, 0.4, 1.5]))
    wave = np.sin(along * np.float32(2 * np.pi / scale) + bend)
    return np.clip(0.5 + wave * np.float32(rng.choice([0.5, 3.0])), 0, 1)


def _checks(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    along, across = _grid(hw, angle)
    board = np.sin(along * np.float32(np.pi / scale)) * np.sin(across * np.float32(np.pi / scale))
    return np.clip(0.5 + board * 6, 0, 1)


def _dots(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    along, across = _grid(hw, angle)
    wave = np.cos(along * np.float32(2 * np.pi / scale)) + np.cos(across * np.float32(2 * np.pi / scale))
    return np.clip(0.5 + (wave - np.float32(rng.uniform(0.3, 1.2))) * 3, 0, 1)


def _dead_leaves(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    image = np.full(hw, 0.5, np.float32)
    count = int(np.clip(3.0 * hw[0] * hw[1] / scale**2, 30, 1200))
    radii = np.sort(np.clip(scale * 0.25 * rng.pareto(1.8, count) + scale * 0.2, 1, scale * 2.5))[::-1]
    xs, ys = rng.integers(0, hw[1], count), rng.integers(0, hw[0], count)
    tilt, levels, flat = rng.uniform(0, 180, count), rng.uniform(0, 1, count), rng.uniform(0.4, 1, count)
    shuffled = np.argsort(-radii * rng.uniform(0.5, 1.5, count))
    for i in shuffled.tolist():
        axes = (max(int(radii[i]), 1), max(int(radii[i] * flat[i]), 1))
        cv2.ellipse(image, (int(xs[i]), int(ys[i])), axes, float(tilt[i]), 0, 360, float(levels[i]), -1)
    return cv2.GaussianBlur(image, (3, 3), 0.6)


def _patches(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    image = np.full(hw, 0.5, np.float32)
    count = int(np.clip(4.0 * hw[0] * hw[1] / scale**2, 20, 600))
    sizes = rng.uniform(0.3, 1.4, (count, 2)) * scale
    centres, levels = rng.uniform(0, 1, (count, 2)) * (hw[1], hw[0]), rng.uniform(0, 1, count)
    for (x, y), (w, h), level in zip(centres.tolist(), sizes.tolist(), levels.tolist(), strict=True):
        box = cv2.boxPoints(((x, y), (w, h), np.degrees(angle)))
        cv2.fillConvexPoly(image, np.round(box * 16).astype(np.int32), level, cv2.LINE_8, 4)
    return cv2.GaussianBlur(image, (3, 3), 0.6)


def _clouds(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    noise = fractal_noise(rng, hw, scale * 2, 6, 0.55)
    return np.clip((noise - 0.45) * 3, 0, 1)


def _sky(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    """The first half of the palette from top to bottom, the second half for clouds, flat and thin towards the bottom."""
    rows = np.linspace(0, 1, hw[0], dtype=np.float32)[:, None]
    flat = cv2.resize(fractal_noise(rng, (hw[0] * 2, hw[1]), scale * 2, 6, 0.55), (hw[1], hw[0]), interpolation=cv2.INTER_AREA)
    clouds = np.clip((flat - 0.54) * 3.2, 0, 1) * np.clip(1.1 - 0.9 * rows, 0, 1)
    clear = 0.5 * np.clip(rows / 0.55, 0, 1)
    return np.asarray(clear + (1 - clear) * clouds, np.float32)


def _marble(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    along, _ = _grid(hw, angle)
    return 0.5 + 0.5 * np.sin(along * np.float32(np.pi / scale) + 9 * fractal_noise(rng, hw, scale * 1.5))


def _camouflage(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    return np.floor(fractal_noise(rng, hw, scale, 3, 0.4) * 9 % 5).astype(np.float32) * np.float32(0.25)


def _fur(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    stretch = max(scale / 3, 2.0)
    strands = np.clip(0.5 + 0.25 * smooth_noise(rng, (hw[0] + 8, int(hw[1] / stretch) + 8), 1.6), 0, 1)
    strands = cv2.resize(strands, (hw[1] + 16, hw[0] + 8))
    turn = cv2.getRotationMatrix2D((hw[1] / 2, hw[0] / 2), -np.degrees(angle), 1)
    turned: Field = cv2.warpAffine(strands, turn, (hw[1], hw[0]), borderMode=cv2.BORDER_REFLECT_101)
    return np.clip(0.6 * turned + 0.4 * fractal_noise(rng, hw, scale), 0, 1)


def _bricks(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    along, across = _grid(hw, angle)
    height = scale / 2
    row = np.floor(across / height)
    shifted = along + np.float32(scale / 2) * (row % 2)
    column = np.floor(shifted / scale)
    tone = (np.sin(row * 12.9898 + column * 78.233) * 43758.547) % 1
    gap = (across % height < max(height * 0.12, 1)) | (shifted % scale < max(scale * 0.06, 1))
    return np.where(gap, 0, 0.35 + 0.65 * tone).astype(np.float32)


def _cells(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    small = (max(hw[0] // 2, 1), max(hw[1] // 2, 1))
    count = int(np.clip(small[0] * small[1] * 4 / scale**2, 6, 3000))
    seeds = np.ones(small, np.uint8)
    seeds[rng.integers(0, small[0], count), rng.integers(0, small[1], count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(seeds, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    tone = rng.uniform(0, 1, int(labels.max()) + 1).astype(np.float32)[labels]
    field = np.clip(0.75 * tone + 0.25 * np.clip(distance / (scale / 2), 0, 1), 0, 1)
    return cv2.resize(field, (hw[1], hw[0]), interpolation=cv2.INTER_LINEAR)


def _grass(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    image = fractal_noise(rng, hw, scale * 3, 3) * np.float32(0.6)
    count = int(np.clip(6.0 * hw[0] * hw[1] / scale**1.5, 50, 4000))
    feet = np.stack([rng.uniform(0, hw[1], count), np.sort(rng.uniform(0, hw[0] + scale, count))], axis=1)
    tips = feet + np.stack([rng.normal(0, scale * 0.25, count), -scale * rng.uniform(0.4, 1, count)], axis=1)
    levels = rng.uniform(0.1, 1, count)
    ends = np.round(np.stack([feet, tips], axis=1)).astype(np.int32)
    for (foot, tip), level in zip(ends.tolist(), levels.tolist(), strict=True):
        cv2.line(image, foot, tip, level, 1)
    return cv2.GaussianBlur(image, (3, 3), 0.7)


def _plaid(rng: Rng, hw: Hw, scale: float, angle: float) -> Field:
    along, across = _grid(hw, angle)
    bands = np.sin(along * np.float32(2 * np.pi / scale)) + 0.5 * np.sin(along * np.float32(6 * np.pi / scale))
    weft = np.sin(across * np.float32(2 * np.pi / scale)) + 0.5 * np.sin(across * np.float32(6 * np.pi / scale))
    return np.clip(0.5 + 0.2 * (bands + weft), 0, 1)


_FIELDS: dict[str, Callable[[Rng, Hw, float, float], Field]] = {
    "plain": _plain,
    "gradient": _gradient,
    "noise": _noise,
    "stripes": _stripes,
    "checks": _checks,
    "dots": _dots,
    "dead_leaves": _dead_leaves,
    "patches": _patches,
    "clouds": _clouds,
    "sky": _sky,
    "marble": _marble,
    "camouflage": _camouflage,
    "fur": _fur,
    "bricks": _bricks,
    "cells": _cells,
    "grass": _grass,
    "plaid": _plaid,
}
KINDS = (*_FIELDS, "photo")
