"""Pictures of the products for people: masks over frames, depth, features, trails and motion probabilities.

Arrays in, RGB uint8 frames out; nothing is read, written or kept. Every function draws on a copy. Sizes of lines, dots and text follow the
size of the frame. Colours keep their meaning everywhere: an object has the same colour in every picture (`OBJECT_COLOURS`), and a
probability of motion runs from calm blue to orange (`MOTION_COLOURS`), a pair that colour-blind people tell apart too.
"""

from __future__ import annotations

import colorsys
import functools
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from segmo.errors import ProductError
from segmo.geometry import ids_in, resize_image, resize_map
from segmo.types import Bool, FeatureMaps, Float, Tracks, UInt8

Rgb = tuple[int, int, int]
ColourBy = Literal["rainbow", "id", "probability"]

_SHIFT = 4  # cv2 draws with 1/16 pixel
_INK: Rgb = (16, 18, 24)


def _voc_palette() -> UInt8:
    """The colour map of PASCAL VOC and DAVIS: bits 0, 1, 2 of the index become the top bits of R, G, B; bits 3, 4, 5 the next; ..."""
    index = np.arange(256)[:, None]
    bits = [((index >> 3 * step + np.arange(3)) & 1) << 7 - step for step in range(3)]
    return np.sum(bits, axis=0).astype(np.uint8)


def _object_colours() -> UInt8:
    """Colours of objects in overlays; the first nine are far apart also for protanopes and deuteranopes."""
    first = [
        (0, 160, 255),
        (255, 130, 0),
        (0, 205, 140),
        (235, 60, 170),
        (255, 225, 50),
        (110, 70, 230),
        (150, 225, 255),
        (190, 30, 40),
        (0, 95, 115),
    ]
    golden = 0.618034  # hues at this spacing stay apart for any number of objects
    rest = [colorsys.hls_to_rgb(i * golden % 1, (0.55, 0.68, 0.42)[i % 3], 0.85) for i in range(255 - len(first))]
    return np.concatenate([[(0, 0, 0)], first, np.round(np.array(rest) * 255)]).astype(np.uint8)


def _ramp(anchors: dict[float, Rgb]) -> UInt8:
    x = np.linspace(0, 1, 256)
    channels = zip(*anchors.values(), strict=True)
    return np.stack([np.interp(x, list(anchors), channel) for channel in channels], axis=1).round().astype(np.uint8)


PALETTE: UInt8 = _voc_palette()
"""(256, 3) colours of palette PNGs, those that DAVIS uses."""
OBJECT_COLOURS: UInt8 = _object_colours()
"""(256, 3) colour of each object id in overlays, lists and legends; 0 is the background."""
MOTION_COLOURS: UInt8 = _ramp({0.0: (70, 130, 220), 0.4: (150, 175, 205), 0.5: (214, 200, 186), 0.6: (250, 176, 90), 1.0: (255, 84, 10)})
"""(256, 3) colours of a probability of motion from 0 to 1."""


def overlay(frame: UInt8, labels: UInt8, *, opacity: float = 0.45, tags: bool = False, colours: UInt8 = OBJECT_COLOURS) -> UInt8:
    """Tint and outline the objects of a frame.

    Args:
        frame: (H, W, 3) RGB.
        labels: (H, W) object ids, 0 = background.
        opacity: strength of the tint, in [0, 1].
        tags: whether to write the id beside each object.
        colours: (256, 3) colour of each id.

    Raises:
        ProductError: `labels` has another size than the frame.
    """
    _check_same_size(frame, labels)
    canvas = frame.copy()
    anchors: list[tuple[int, tuple[int, int]]] = []
    for identity in object_ids(labels):
        mask = cv2.inRange(labels, identity, identity)  # `compare` takes a single pixel for a number
        x, y, width, height = cv2.boundingRect(mask)
        mask = mask[y : y + height, x : x + width]
        region = canvas[y : y + height, x : x + width]
        colour = _rgb(colours[identity])
        tint = cv2.addWeighted(region, 1 - opacity, np.full_like(region, colour), opacity, 0)
        cv2.copyTo(tint, mask, region)
        _outline(canvas, mask, (x, y), colour)
        anchors.append((identity, (x + width // 2, y)))
    size = max(10, round(0.036 * min(frame.shape[:2])))
    for identity, (x, y) in anchors if tags else ():
        tag = _label(str(identity), size, _rgb(colours[identity]))
        _paste(canvas, tag, x - tag.shape[1] // 2, y - tag.shape[0] - 5)
    return canvas


def side_by_side(left: UInt8, right: UInt8) -> UInt8:
    """Two (H, W, 3) frames next to each other with a thin dark gap: (H, 2 W + 4, 3), even for every W."""
    _check_same_size(left, right)
    gap = np.full((left.shape[0], 4, 3), _INK, np.uint8)
    return np.asarray(cv2.hconcat([left, gap, right]), np.uint8)


def cut_out(frame: UInt8, labels: UInt8) -> UInt8:
    """(H, W, 4) RGBA of what moves: opaque inside, one soft pixel at the edge, transparent elsewhere.

    Colours are kept a little beyond the edge, so that a video codec, which halves the resolution of colour, shows no dark fringe; all
    other transparent pixels are black, which costs no bits and shows nothing of the background.
    """
    _check_same_size(frame, labels)
    moving = cv2.threshold(labels, 0, 255, cv2.THRESH_BINARY)[1]
    result = np.empty((*labels.shape, 4), np.uint8)
    halo = cv2.dilate(moving, np.ones((3, 3), np.uint8), iterations=5)
    colour = np.zeros_like(frame)
    cv2.copyTo(frame, halo, colour)
    cv2.mixChannels([colour, cv2.blur(moving, (3, 3))], [result], [0, 0, 1, 1, 2, 2, 3, 3])
    return result


def depth_colours(inverse_depth: Float, hw: tuple[int, int], reliable: bool = True) -> UInt8:
    """(H, W, 3) inverse depth (h, w) in [0, 1] in the perceptually even map `inferno`: near is bright. Grey and captioned if unreliable."""
    levels = _levels(inverse_depth, hw)
    if reliable:
        return _mapped(levels, cv2.COLORMAP_INFERNO)
    y, x = np.indices(hw, sparse=True)
    hatch = ((x + y) // (8 * _unit(levels)) % 4 == 0) * np.uint8(14)
    canvas = np.ascontiguousarray(np.repeat((levels // 3 + 70 + hatch)[..., None], 3, axis=2))
    caption = _label("depth is not reliable here", 14 * _unit(canvas), _INK)
    _paste(canvas, caption, (hw[1] - caption.shape[1]) // 2, hw[0] - 2 * caption.shape[0])
    return canvas


def feature_colours(maps: FeatureMaps, hw: tuple[int, int] | None = None) -> UInt8:
    """(Q, gh, gw, 3), or (Q, H, W, 3) at size `hw`: the first three principal components of all query frames together as RGB.

    Each component is scaled from its 1st to its 99th percentile, and its sign is the one that makes its strongest loading positive,
    so that equal features give equal colours.
    """
    shape = maps.features.shape
    rows = maps.features.reshape(-1, shape[-1]).astype(np.float64)
    rows -= rows.mean(axis=0)
    _, axes = np.linalg.eigh(rows.T @ rows)
    axes = axes[:, ::-1][:, :3]
    strongest = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
    components = rows @ (axes * np.where(strongest < 0, -1, 1))
    components = np.pad(components, ((0, 0), (0, 3 - components.shape[1])))
    low, high = np.percentile(components, (1, 99), axis=0)
    scaled = np.where(high - low > 1e-6, (components - low) / np.maximum(high - low, 1e-6), 0.5)
    colours = (np.clip(scaled, 0, 1) * 255).round().astype(np.uint8).reshape(*shape[:3], 3)
    if hw is None:
        return colours
    return np.array([resize_image(image, hw) for image in colours], np.uint8).reshape(-1, *hw, 3)


def trails(
    frame: UInt8,
    tracks: Tracks,
    t: int,
    *,
    colour_by: ColourBy = "rainbow",
    probability: Float | None = None,
    length: int = 12,
    max_points: int = 1000,
) -> UInt8:
    """Draw the visible tracks at frame t: a dot at each position and the path of the last `length` frames, fading with age.

    Args:
        frame: (H, W, 3) frame t, of size `tracks.frame_hw`.
        colour_by: "rainbow" by the height at which a track started, "id" by its number, "probability" by its probability of motion.
        probability: (N,) in [0, 1], for "probability".
        length: frames a trail goes back; 0 draws dots only.
        max_points: at most so many tracks, the same ones in every frame.
    """
    chosen = np.unique(np.linspace(0, len(tracks) - 1, min(len(tracks), max_points)).round().astype(np.intp))
    colours = _track_colours(tracks, colour_by, probability)[chosen]
    first = max(0, t - length)
    path = tracks.positions_xy[chosen, first : t + 1]
    visible = tracks.visible[chosen, first : t + 1]
    joined = visible[:, 1:] & visible[:, :-1]
    canvas = _calm(frame)
    backdrop = canvas.copy()
    unit = _unit(frame)
    for steps in np.array_split(np.arange(joined.shape[1]), 4):  # oldest first; each later part veils the earlier ones
        cv2.addWeighted(canvas, 0.65, backdrop, 0.35, 0, dst=canvas)
        segments = np.stack([path[:, steps], path[:, steps + 1]], axis=2)[joined[:, steps]]
        owners = np.nonzero(joined[:, steps])[0]
        moved = np.abs(segments[:, 0] - segments[:, 1]).max(axis=1, initial=0) > 0.1
        _draw_segments(canvas, segments[moved], colours[owners[moved]], unit)
    shown = visible[:, -1]
    _draw_dots(canvas, path[shown, -1], colours[shown], 1.6 * unit)
    return canvas


def track_probability(frame: UInt8, positions_xy: Float, probabilities: Float, visible: Bool, threshold: float) -> UInt8:
    """A dot at each of the (N, 2) positions that is (N,) visible, coloured by its (N,) probability of motion; large above `threshold`."""
    canvas = _calm(frame)
    for chosen, radius in ((visible & (probabilities <= threshold), 1.5), (visible & (probabilities > threshold), 3.2)):
        _draw_dots(canvas, positions_xy[chosen], _motion_colours(probabilities[chosen]), radius * _unit(frame))
    return canvas


def probability_map(frame: UInt8, probability: Float) -> UInt8:
    """A dense (h, w) probability of motion over the greyed frame; only the frame where the map is empty."""
    canvas = _calm(frame)
    if 0 in probability.shape:
        return canvas
    levels = _levels(probability, frame.shape[:2])
    alpha = levels.astype(np.float32) * np.float32(0.75 / 255)
    return np.asarray(cv2.blendLinear(_mapped(levels, cv2.COLORMAP_INFERNO), canvas, alpha, 1 - alpha), np.uint8)


def object_ids(labels: UInt8) -> list[int]:
    """Ids that occur in (H, W) labels, without the background."""
    return [identity for identity in ids_in(labels) if identity]


def _check_same_size(first: npt.NDArray[np.uint8], second: npt.NDArray[np.uint8]) -> None:
    if first.shape[:2] != second.shape[:2]:
        raise ProductError(f"Cannot draw {second.shape[:2]} over a frame of {first.shape[:2]} pixels. Resize one of them first.")


def _rgb(colour: npt.NDArray[np.uint8]) -> Rgb:
    return int(colour[0]), int(colour[1]), int(colour[2])


def _mixed(colour: Rgb, other: Rgb, share: float) -> Rgb:
    red, green, blue = (round(own + share * (its - own)) for own, its in zip(colour, other, strict=True))
    return red, green, blue


def _unit(frame: UInt8) -> int:
    """Line width that suits a frame: 1 up to 480p, 2 at 1080p."""
    return max(1, round(min(frame.shape[:2]) / 540))


def _outline(canvas: UInt8, mask: UInt8, offset: tuple[int, int], colour: Rgb) -> None:
    """A thin anti-aliased line in a light tone of the colour with a dark rim, along the smoothed border of a mask."""
    contours, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE, offset=offset)
    lines = []
    for contour in contours:
        line = contour[:, 0].astype(np.float32)
        if len(line) > 8:  # averaging five neighbours takes the staircase of the pixels away; every second is enough
            ring = np.concatenate([line[-2:], line, line[:2]])
            line = ((ring[:-4] + ring[1:-3] + ring[2:-2] + ring[3:-1] + ring[4:]) / 5)[::2]
        lines.append(np.round(line * (1 << _SHIFT)).astype(np.int32))
    width = 2 * _unit(canvas)
    cv2.polylines(canvas, lines, True, _mixed(colour, _INK, 0.7), width + 1, cv2.LINE_AA, _SHIFT)
    cv2.polylines(canvas, lines, True, _mixed(colour, (255, 255, 255), 0.25), width, cv2.LINE_AA, _SHIFT)


def _calm(frame: UInt8) -> UInt8:
    """The frame, darker and half grey, as a backdrop on which colours can be read."""
    grey = cv2.cvtColor(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return np.asarray(cv2.addWeighted(frame, 0.25, grey, 0.4, 0), np.uint8)


def _levels(values: Float, hw: tuple[int, ...]) -> UInt8:
    """Values (h, w) in [0, 1] as uint8 levels at size `hw`."""
    return np.asarray(cv2.convertScaleAbs(resize_map(values, (hw[0], hw[1])), alpha=255), np.uint8)


def _mapped(levels: UInt8, colour_map: int) -> UInt8:
    return np.asarray(cv2.cvtColor(cv2.applyColorMap(levels, colour_map), cv2.COLOR_BGR2RGB), np.uint8)


def _motion_colours(probability: Float) -> UInt8:
    return MOTION_COLOURS[np.clip(np.asarray(probability, np.float32) * 255, 0, 255).round().astype(np.intp)]


def _track_colours(tracks: Tracks, colour_by: ColourBy, probability: Float | None) -> UInt8:
    """(N, 3); few distinct colours, because `_draw_segments` draws each colour in one go."""
    if colour_by == "probability":
        if probability is None or probability.shape != (len(tracks),):
            seen = None if probability is None else probability.shape
            raise ProductError(f"Trails by probability need `probability` of shape ({len(tracks)},), not {seen}. Pass one a track.")
        return _motion_colours(np.round(probability * 32) / 32)
    if colour_by == "id":
        return OBJECT_COLOURS[1 + np.arange(len(tracks)) % 32]
    start = tracks.positions_xy[np.arange(len(tracks)), tracks.query_frames, 1] / tracks.frame_hw[0]
    hues = [colorsys.hsv_to_rgb(0.83 * i / 32, 0.8, 1.0) for i in range(33)]
    return np.round(np.array(hues) * 255).astype(np.uint8)[np.clip(start * 32, 0, 32).astype(np.intp)]


def _draw_segments(canvas: UInt8, segments: Float, colours: UInt8, width: int) -> None:
    """Draw (M, 2, 2) segments in (M, 3) colours."""
    fixed = np.round(segments * (1 << _SHIFT)).astype(np.int32)
    packed = colours @ np.array([1 << 16, 1 << 8, 1])
    for colour in np.unique(packed).tolist():
        rgb = colour >> 16, colour >> 8 & 255, colour & 255
        cv2.polylines(canvas, list(fixed[packed == colour]), False, rgb, width, cv2.LINE_AA, _SHIFT)


def _draw_dots(canvas: UInt8, positions_xy: Float, colours: UInt8, radius: float) -> None:
    """Round dots with a dark rim at (N, 2) sub-pixel positions, the last on top. cv2 draws small circles as crosses, hence this."""
    reach = int(np.ceil(radius)) + 2
    nearest = np.round(positions_xy).astype(np.int32)
    dy, dx = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1).astype(np.int32)
    x, y = nearest[:, :1] + dx, nearest[:, 1:] + dy  # (N, pixels of one dot)
    away = np.hypot(x - positions_xy[:, :1], y - positions_xy[:, 1:])
    touched = (away < radius + 1.4) & (x >= 0) & (x < canvas.shape[1]) & (y >= 0) & (y < canvas.shape[0])
    away, at = away[touched], (y * canvas.shape[1] + x)[touched]
    outer, inner = (np.clip(radius + rim - away, 0, 1)[:, None] for rim in (1.4, 0.4))
    pixels = canvas.reshape(-1, 3)
    own = colours[np.nonzero(touched)[0]]
    drawn = pixels[at] * (1 - outer) + (inner * own + (1 - inner) * np.array(_INK, np.float32)) * outer
    order = np.argsort((outer[:, 0] * 255).astype(np.uint8), kind="stable")  # where dots overlap, the fullest and latest is written last
    pixels[at[order]] = drawn[order].round().astype(np.uint8)


@functools.lru_cache(maxsize=512)
def _label(text: str, size: int, colour: Rgb) -> UInt8:
    """(h, w, 4) RGBA of a rounded tag in the colour, with dark or white text, whichever is easier to read on it."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    height = round(size * 1.35)
    width = max(height, round(right - left + size * 0.8))
    large = Image.new("RGBA", (4 * width, 4 * height), (*colour, 0))
    ImageDraw.Draw(large).rounded_rectangle((0, 0, 4 * width - 1, 4 * height - 1), 2 * height, fill=(*colour, 255))
    tag = large.resize((width, height), Image.Resampling.BOX)
    bright = colour[0] * 0.299 + colour[1] * 0.587 + colour[2] * 0.114 > 120
    corner = (width - left - right) / 2, (height - top - bottom) / 2
    ImageDraw.Draw(tag).text(corner, text, font=font, fill=(*(_INK if bright else (255, 255, 255)), 255))
    return np.array(tag)


def _paste(canvas: UInt8, image: UInt8, x: int, y: int) -> None:
    """Blend an RGBA image into the canvas with its corner at (x, y), moved inside and cut where it does not fit."""
    x, y = max(0, min(x, canvas.shape[1] - image.shape[1])), max(0, min(y, canvas.shape[0] - image.shape[0]))
    region = canvas[y : y + image.shape[0], x : x + image.shape[1]]
    image = image[: region.shape[0], : region.shape[1]]
    alpha = image[..., 3:].astype(np.float32) / 255
    region[:] = np.round(region * (1 - alpha) + image[..., :3] * alpha)
