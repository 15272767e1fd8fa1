"""The part of a frame that the picture takes, where margins surround it: stages look at that part alone, and what they find is laid
back into the whole frame."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from segmo.settings import Correction, Settings
from segmo.types import Clip, DepthMaps, FeatureMaps, FlowFields, MotionEvidence, MotionLabels, ObjectMasks, Product, Tracks, Window


def inner(clip: Clip) -> Clip:
    """The picture of a clip without its margins; the clip itself where it has none."""
    if clip.window is None:
        return clip
    top, left, bottom, right = clip.window
    return dataclasses.replace(clip, frames=np.ascontiguousarray(clip.frames[:, top:bottom, left:right]), window=None)


def clicks_inside(settings: Settings, clip: Clip) -> Settings:
    """Settings whose clicks on whole frames are clicks on the picture; those on the margins are left out."""
    if clip.window is None:
        return settings
    inside = tuple(moved for click in settings.masks.corrections if (moved := _inside(click, clip)))
    return dataclasses.replace(settings, masks=dataclasses.replace(settings.masks, corrections=inside))


def laid_back(product: Product, clip: Clip, clicks: Sequence[Correction] = ()) -> Product:
    """What a stage found in the picture of a clip, as found in its whole frames: nothing lies on the margins.

    Masks tell which of the `clicks` on whole frames were left out, for lying there.
    """
    if clip.window is None or product is clip:
        return product
    laid: Product = _laid_back(product, clip)
    outside = [str(click) for click in clicks if _inside(click, clip) is None]
    if isinstance(laid, ObjectMasks) and outside:
        note = f"Clicks on the margins around the picture were left out: {'; '.join(outside)}."
        return dataclasses.replace(laid, notes=(*laid.notes, note))
    return laid


def _inside(click: Correction, clip: Clip) -> Correction | None:
    """A click on a whole frame as one on the picture; None if it lies on a margin."""
    (height, width), (top, left, bottom, right) = clip.hw, _window(clip)
    x, y = (click.x * width - left) / (right - left), (click.y * height - top) / (bottom - top)
    return dataclasses.replace(click, x=x, y=y) if 0 <= x <= 1 and 0 <= y <= 1 else None


@functools.singledispatch
def _laid_back(product: Any, clip: Clip) -> Any:
    raise TypeError(f"a {type(product).__name__} is not the product of a stage")


@_laid_back.register
def _(product: FlowFields, clip: Clip) -> FlowFields:
    nothing = {"flow": 0, "photometric_error": 255, "momentary_flow": 0, "momentary_error": 255}
    given = {name: getattr(product, name) for name in nothing}
    changed: dict[str, Any] = {name: _padded(values, 2, clip, nothing[name]) for name, values in given.items() if values is not None}
    return dataclasses.replace(product, frame_hw=clip.hw, **changed)


@_laid_back.register
def _(product: DepthMaps, clip: Clip) -> DepthMaps:
    return dataclasses.replace(product, inverse_depth=_padded(product.inverse_depth, 1, clip))


@_laid_back.register
def _(product: Tracks, clip: Clip) -> Tracks:
    top, left = _window(clip)[:2]
    return dataclasses.replace(product, positions_xy=product.positions_xy + np.array([left, top], np.float32), frame_hw=clip.hw)


@_laid_back.register
def _(product: FeatureMaps, clip: Clip) -> FeatureMaps:
    return dataclasses.replace(product, features=_padded(product.features, 1, clip))


@_laid_back.register
def _(product: MotionEvidence, clip: Clip) -> MotionEvidence:
    maps = {name: getattr(product, name) for name in ("probability_maps", "seam_maps")}
    changed: dict[str, Any] = {name: _padded(values, 1, clip) for name, values in maps.items() if values.size}
    return dataclasses.replace(product, **changed)


@_laid_back.register
def _(product: MotionLabels, clip: Clip) -> MotionLabels:
    return dataclasses.replace(product, evidence=_laid_back(product.evidence, clip))


@_laid_back.register
def _(product: ObjectMasks, clip: Clip) -> ObjectMasks:
    return dataclasses.replace(product, labels=_padded(product.labels, 1, clip))


def _window(clip: Clip) -> Window:
    assert clip.window is not None, "only what was found in a part of the frames is laid back"
    return clip.window


def _padded(values: npt.NDArray[Any], axis: int, clip: Clip, nothing: int = 0) -> npt.NDArray[Any]:
    """Maps that cover the picture as maps, as fine, that cover the frame; `axis` is that of their rows."""
    (height, width), (top, left, bottom, right) = clip.hw, _window(clip)
    rows, columns = values.shape[axis] / (bottom - top), values.shape[axis + 1] / (right - left)
    around = [(round(top * rows), round((height - bottom) * rows)), (round(left * columns), round((width - right) * columns))]
    padding = [(0, 0)] * axis + around + [(0, 0)] * (values.ndim - axis - 2)
    return np.pad(values, padding, constant_values=nothing)
