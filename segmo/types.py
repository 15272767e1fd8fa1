"""What one stage hands to the next: frozen dataclasses that check themselves when made.

Notation, the same everywhere: T frames of H x W pixels, N tracks, Q query frames, G frame gaps, K objects. Coordinates are (x, y) in
pixels of the sampled frames, with (0, 0) the *centre* of the top-left pixel. Colour is RGB uint8.

A stage is a generator: it yields its progress as a fraction in [0, 1] at least once a chunk of work and returns its
product, so that a caller can show progress, and stop it at any yield. `finish` runs one to its end.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from segmo.errors import ProductError
from segmo.shown import Shown

Product = TypeVar("Product")
Steps = Generator[float, None, Product]
"""A running stage: yields fractions done, returns its product."""

UInt8 = npt.NDArray[np.uint8]
Bool = npt.NDArray[np.bool_]
Int = npt.NDArray[np.int64]
Float = npt.NDArray[np.floating[Any]]

Window = tuple[int, int, int, int]
"""Top, left, bottom and right of a part of a frame in pixels; bottom and right lie just outside of it."""

USUAL_FPS = 30
"""Frames a second at which motion looks to `lite` about as it did in training."""


def finish(steps: Steps[Product]) -> Product:
    """Run a stage to its end, ignoring its progress, and return its product."""
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def within(steps: Steps[Product], start: float, end: float) -> Steps[Product]:
    """Run a part of a stage whose progress covers [start, end] of the whole."""
    while True:
        try:
            fraction = next(steps)
        except StopIteration as stop:
            return stop.value
        yield start + (end - start) * fraction


def _fail(owner: object, field: str, expected: str, seen: str) -> ProductError:
    return ProductError(f"{type(owner).__name__}.{field} must be {expected}, not {seen}. Build it with that shape, dtype and range.")


def _freeze_array(owner: object, field: str, dtype: Any, shape: Sequence[int | str], sizes: dict[str, int]) -> npt.NDArray[Any]:
    """Check an array field and replace it by a read-only view.

    `shape` mixes numbers with letters; a letter stands for one size throughout the object and is looked up in, or added to, `sizes`.
    """
    value = getattr(owner, field)
    wanted = "(" + ", ".join(map(str, shape)) + ")"
    if not isinstance(value, np.ndarray):
        raise _fail(owner, field, f"a numpy array of shape {wanted}", f"a {type(value).__name__}")
    if value.dtype != np.dtype(dtype):
        raise _fail(owner, field, f"of dtype {np.dtype(dtype)}", f"{value.dtype}")
    known = {k: v for k, v in sizes.items() if k in shape}
    fits = value.ndim == len(shape)
    for axis, size in zip(shape, value.shape, strict=True) if fits else ():
        expected = sizes.setdefault(axis, size) if isinstance(axis, str) else axis
        fits = fits and expected == size
    if not fits:
        where = f" with {known}" if known else ""
        raise _fail(owner, field, f"of shape {wanted}{where}", f"{value.shape}")
    view = value.view()
    view.flags.writeable = False
    object.__setattr__(owner, field, view)
    return view


def _check_unit_interval(owner: object, field: str, value: npt.NDArray[Any]) -> None:
    if value.size and not (value.min() >= 0 and value.max() <= 1):  # also false for NaN
        raise _fail(owner, field, "within [0, 1] and finite", f"from {value.min()} to {value.max()}")


def _check_finite(owner: object, field: str, value: npt.NDArray[Any]) -> None:
    if value.dtype == np.float16:  # slow to compute with; as integers NaN and infinity are the largest of their sign
        finite = value.view(np.int16).max(initial=0) < 0x7C00 and value.view(np.uint16).max(initial=0) < 0xFC00
    else:
        finite = bool(np.isfinite(value).all())
    if not finite:
        raise _fail(owner, field, "finite", "an array with NaN or infinity")


def _check_increasing(owner: object, field: str, value: npt.NDArray[Any]) -> None:
    if value.size and (np.diff(value) <= 0).any():
        raise _fail(owner, field, "strictly increasing", str(value[:8].tolist()))


def _freeze_strings(owner: object, field: str) -> None:
    object.__setattr__(owner, field, tuple(str(text) for text in getattr(owner, field)))


def steps_apart(fps: float) -> int:
    """Frames that count as one step where there are so many a second."""
    return max(1, round(fps / USUAL_FPS))


@dataclass(frozen=True, eq=False, repr=False)
class Clip(Shown):
    """The sampled frames of a video, and where they came from."""

    frames: UInt8
    """(T, H, W, 3) RGB."""
    timestamps_s: npt.NDArray[np.float64]
    """(T,) presentation time in seconds from the start of the source, strictly increasing."""
    source_indices: Int
    """(T,) index of each frame in the source, strictly increasing."""
    names: tuple[str, ...]
    """T file names without ending: the stems of an image folder, or zero-padded source indices of a video."""
    source_hw: tuple[int, int]
    """Height and width of the source as displayed (after its rotation)."""
    source_frame_count: int
    """Frames in the source (after start and length were applied)."""
    source_fps: float
    """Mean frame rate of the source in frames a second."""
    notes: tuple[str, ...] = ()
    """What was left out or changed, in sentences for the user."""
    between: UInt8 = field(default_factory=lambda: np.zeros((0, 0, 0), np.uint8))
    """(M, h, w) grey levels of frames of the source around the sampled ones, within the window and on its grid of `geometry.grid_size`,
    from which motion shows at the source's own rate; none where the sampled frames are as close to each other as that."""
    between_indices: Int = field(default_factory=lambda: np.zeros(0, np.int64))
    """(M,) index of each in the source, strictly increasing."""
    window: Window | None = None
    """Where the picture lies in the frames, if margins surround it."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _freeze_array(self, "frames", np.uint8, ("T", "H", "W", 3), sizes)
        if 0 in self.frames.shape:
            raise _fail(self, "frames", "at least one frame of at least one pixel", str(self.frames.shape))
        _check_increasing(self, "timestamps_s", _freeze_array(self, "timestamps_s", np.float64, ("T",), sizes))
        _check_increasing(self, "source_indices", _freeze_array(self, "source_indices", np.int64, ("T",), sizes))
        _freeze_strings(self, "names")
        _freeze_strings(self, "notes")
        if len(self.names) != sizes["T"] or len(set(self.names)) != len(self.names):
            raise _fail(self, "names", f"{sizes['T']} distinct names", f"{len(self.names)} names: {self.names[:4]}")
        object.__setattr__(self, "source_hw", (int(self.source_hw[0]), int(self.source_hw[1])))
        if min(self.source_hw) < 1:
            raise _fail(self, "source_hw", "two positive sizes", str(self.source_hw))
        if self.source_frame_count < sizes["T"]:
            raise _fail(self, "source_frame_count", f"at least {sizes['T']}", str(self.source_frame_count))
        if not self.source_fps > 0:
            raise _fail(self, "source_fps", "positive", str(self.source_fps))
        _freeze_array(self, "between", np.uint8, ("M", "h", "w"), sizes)
        _check_increasing(self, "between_indices", _freeze_array(self, "between_indices", np.int64, ("M",), sizes))

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def hw(self) -> tuple[int, int]:
        """Height and width of the sampled frames in pixels."""
        return self.frames.shape[1], self.frames.shape[2]

    @property
    def fps(self) -> float:
        """Mean rate of the sampled frames in frames a second (that of the source for a single frame)."""
        if len(self) < 2:
            return self.source_fps
        return float((len(self) - 1) / (self.timestamps_s[-1] - self.timestamps_s[0]))

    @property
    def step(self) -> int:
        """Frames of the source that count as one where motion is looked at: more than one where the camera takes many a second."""
        return steps_apart(self.source_fps)


@dataclass(frozen=True, eq=False, repr=False)
class FlowFields(Shown):
    """Dense optical flow between sampled frames, on a grid that may be coarser than the frames.

    `flow[g, t, y, x]` is the displacement, in *grid* pixels, of the content at (x, y) of frame t towards frame t + gaps[g]. Where
    t + gaps[g] lies outside the clip the field is zero and `valid[g, t]` is false, as where it lies in another shot.
    """

    flow: npt.NDArray[np.float16]
    """(G, T, h, w, 2) displacement (dx, dy)."""
    photometric_error: UInt8
    """(G, T, h, w) absolute difference of grey levels between frame t and the warped frame t + gap; 255 where it leaves the picture."""
    valid: Bool
    """(G, T) whether the other frame exists."""
    gaps: tuple[int, ...]
    """G non-zero frame offsets; +1 and -1 are always among them."""
    frame_hw: tuple[int, int]
    """Size of the sampled frames, to scale displacements to their pixels."""
    momentary_flow: npt.NDArray[np.float16] | None = None
    """(G, T, h, w, 2) the same towards frames of the source, gaps in its own steps (`Clip.step`); None if those are the sampled ones."""
    momentary_error: UInt8 | None = None
    """(G, T, h, w)"""
    momentary_valid: Bool | None = None
    """(G, T)"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "gaps", tuple(int(gap) for gap in self.gaps))
        object.__setattr__(self, "frame_hw", (int(self.frame_hw[0]), int(self.frame_hw[1])))
        sizes = {"G": len(self.gaps)}
        _check_finite(self, "flow", _freeze_array(self, "flow", np.float16, ("G", "T", "h", "w", 2), sizes))
        _freeze_array(self, "photometric_error", np.uint8, ("G", "T", "h", "w"), sizes)
        _freeze_array(self, "valid", np.bool_, ("G", "T"), sizes)
        if self.momentary_flow is not None:
            _check_finite(self, "momentary_flow", _freeze_array(self, "momentary_flow", np.float16, ("G", "T", "h", "w", 2), sizes))
            _freeze_array(self, "momentary_error", np.uint8, ("G", "T", "h", "w"), sizes)
            _freeze_array(self, "momentary_valid", np.bool_, ("G", "T"), sizes)
        if not {-1, 1} <= set(self.gaps) or 0 in self.gaps or len(set(self.gaps)) != len(self.gaps):
            raise _fail(self, "gaps", "distinct, non-zero and with -1 and +1", str(self.gaps))

    @cached_property
    def momentary(self) -> FlowFields:
        """Flow at the source's own rate, in which motion shows; itself where the sampled frames are as close to each other."""
        if self.momentary_flow is None or self.momentary_error is None or self.momentary_valid is None:
            return self
        return FlowFields(self.momentary_flow, self.momentary_error, self.momentary_valid, self.gaps, self.frame_hw)

    def gap(self, gap: int) -> int:
        """Index of a frame gap on the first axis of the arrays."""
        return self.gaps.index(gap)

    @property
    def grid_hw(self) -> tuple[int, int]:
        """Height and width of the flow grid."""
        return self.flow.shape[2], self.flow.shape[3]


@dataclass(frozen=True, eq=False, repr=False)
class DepthMaps(Shown):
    """Relative inverse depth of every sampled frame: 1 is the nearest, 0 the farthest content of that frame."""

    inverse_depth: npt.NDArray[np.float16]
    """(T, h, w) in [0, 1], on a grid that covers the frame."""
    reliable: Bool
    """(T,) false where depth could not be observed (a camera that does not translate, for a motion-based estimate)."""
    notes: tuple[str, ...] = ()
    """Warnings for the user."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check_unit_interval(self, "inverse_depth", _freeze_array(self, "inverse_depth", np.float16, ("T", "h", "w"), sizes))
        _freeze_array(self, "reliable", np.bool_, ("T",), sizes)
        _freeze_strings(self, "notes")


@dataclass(frozen=True, eq=False, repr=False)
class Tracks(Shown):
    """Point trajectories through the whole clip, each started on a query frame."""

    positions_xy: npt.NDArray[np.float32]
    """(N, T, 2) position in pixels of the sampled frames; may leave the picture."""
    visibility: npt.NDArray[np.float32]
    """(N, T) probability that the point is visible, in [0, 1]."""
    confidence: npt.NDArray[np.float32]
    """(N, T) probability that the position is right, in [0, 1]."""
    query_frames: Int
    """(N,) frame on which each track was started."""
    frame_hw: tuple[int, int]
    """Size of the sampled frames in pixels."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "frame_hw", (int(self.frame_hw[0]), int(self.frame_hw[1])))
        sizes: dict[str, int] = {}
        _check_finite(self, "positions_xy", _freeze_array(self, "positions_xy", np.float32, ("N", "T", 2), sizes))
        _check_unit_interval(self, "visibility", _freeze_array(self, "visibility", np.float32, ("N", "T"), sizes))
        _check_unit_interval(self, "confidence", _freeze_array(self, "confidence", np.float32, ("N", "T"), sizes))
        query = _freeze_array(self, "query_frames", np.int64, ("N",), sizes)
        if query.size and (query.min() < 0 or query.max() >= sizes["T"]):
            raise _fail(self, "query_frames", f"within 0..{sizes['T'] - 1}", f"{query.min()}..{query.max()}")

    def __len__(self) -> int:
        return len(self.positions_xy)

    @property
    def visible(self) -> Bool:
        """(N, T) whether a point counts as visible: visibility * confidence > 0.5, the rule of the paper."""
        return self.visibility * self.confidence > 0.5


@dataclass(frozen=True, eq=False, repr=False)
class FeatureMaps(Shown):
    """Appearance descriptors on the query frames, on a coarse grid of cells that covers the frame."""

    features: npt.NDArray[np.float16]
    """(Q, gh, gw, C)."""
    query_frames: Int
    """(Q,) the frames described, strictly increasing."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check_finite(self, "features", _freeze_array(self, "features", np.float16, ("Q", "gh", "gw", "C"), sizes))
        _check_increasing(self, "query_frames", _freeze_array(self, "query_frames", np.int64, ("Q",), sizes))


@dataclass(frozen=True, eq=False, repr=False)
class MotionEvidence(Shown):
    """How probably each track, and optionally each pixel, belongs to something that moves; no decision taken yet."""

    track_probability: npt.NDArray[np.float32]
    """(N,) probability in [0, 1] that the track moves."""
    probability_maps: npt.NDArray[np.float16]
    """(T, h, w) probability in [0, 1] on a grid that covers the frame; (T, 0, 0) from a model that only judges tracks."""
    moving_score: float
    """Evidence in [0, 1] that anything at all moves in the clip."""
    camera_motion: str
    """What the camera does, in words for the user; empty if the model does not estimate it."""
    notes: tuple[str, ...] = ()
    """Warnings for the user."""
    seam_maps: npt.NDArray[np.float16] = field(default_factory=lambda: np.zeros((0, 0, 0), np.float16))
    """(T, h, w) probability in [0, 1] that two things that move meet at a pixel; (0, 0, 0) from a model that does not tell."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _check_unit_interval(self, "track_probability", _freeze_array(self, "track_probability", np.float32, ("N",), sizes))
        maps = _freeze_array(self, "probability_maps", np.float16, ("T", "h", "w"), sizes)
        _check_unit_interval(self, "probability_maps", maps)
        seam_shape = ("T", "h", "w") if np.size(self.seam_maps) else (0, 0, 0)
        _check_unit_interval(self, "seam_maps", _freeze_array(self, "seam_maps", np.float16, seam_shape, sizes))
        if not 0 <= self.moving_score <= 1:
            raise _fail(self, "moving_score", "within [0, 1]", str(self.moving_score))
        _freeze_strings(self, "notes")


@dataclass(frozen=True, eq=False, repr=False)
class MotionLabels(Shown):
    """The decision which tracks move, together with the evidence it was taken from."""

    evidence: MotionEvidence
    moving: Bool
    """(N,) true for a moving track; all false when nothing moves."""
    threshold: float
    """Probability above which a track moves, as used."""
    notes: tuple[str, ...] = ()
    """Warnings for the user."""

    def __post_init__(self) -> None:
        _freeze_array(self, "moving", np.bool_, ("N",), {"N": len(self.evidence.track_probability)})
        if not 0 <= self.threshold <= 1:
            raise _fail(self, "threshold", "within [0, 1]", str(self.threshold))
        _freeze_strings(self, "notes")

    @property
    def nothing_moves(self) -> bool:
        """Whether the clip was judged to show no moving object."""
        return not self.moving.any()


@dataclass(frozen=True, eq=False, repr=False)
class ObjectMasks(Shown):
    """One mask a moving object and frame, as an image of object ids."""

    labels: UInt8
    """(T, H, W) 0 = background, otherwise the id of the object; at the size of the sampled frames."""
    object_ids: Int
    """(K,) ids that occur, strictly increasing, from 1 to 255; an id belongs to one object for the whole clip."""
    motion_scores: npt.NDArray[np.float32]
    """(K,) probability in [0, 1] that each object moves."""
    notes: tuple[str, ...] = ()
    """Warnings for the user."""

    def __post_init__(self) -> None:
        sizes: dict[str, int] = {}
        _freeze_array(self, "labels", np.uint8, ("T", "H", "W"), sizes)
        _check_increasing(self, "object_ids", _freeze_array(self, "object_ids", np.int64, ("K",), sizes))
        if self.object_ids.size and (self.object_ids[0] < 1 or self.object_ids[-1] > 255):
            raise _fail(self, "object_ids", "within 1..255", str(self.object_ids.tolist()))
        scores = _freeze_array(self, "motion_scores", np.float32, ("K",), sizes)
        _check_unit_interval(self, "motion_scores", scores)
        areas = self.areas()
        others = sum(np.count_nonzero(frame) for frame in self.labels) - areas.sum()
        if others or not areas.any(axis=0).all():
            seen = set(np.unique(self.labels).tolist()) - {0}
            raise _fail(self, "object_ids", f"exactly the ids in labels, {sorted(seen)}", str(self.object_ids.tolist()))
        _freeze_strings(self, "notes")

    def areas(self) -> Int:
        """(T, K) pixels of each object in each frame."""
        counts = [[np.count_nonzero(frame == identity) for identity in self.object_ids.tolist()] for frame in self.labels]
        return np.array(counts, np.int64).reshape(len(self.labels), len(self.object_ids))

    @property
    def nothing_moves(self) -> bool:
        """Whether the clip shows no moving object."""
        return not self.object_ids.size
