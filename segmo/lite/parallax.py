"""Camera rotation and translation from dense flow, and relative inverse depth from the parallax that translation leaves.

The instantaneous motion model (Longuet-Higgins and Prazdny, 1980) splits the flow of a static point at (x, y), in units of
the focal length, into a rotational part that depends on the camera alone and a translational part A(x, y) t / Z. Across the
direction of A t the flow holds no depth at all, so that rotation follows linearly for every candidate translation (Heeger
and Jepson, IJCV 1992), and the best candidate is the one that leaves least.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from segmo.lite.flow import GAPS
from segmo.lite.refinement import guided_filter

Field = npt.NDArray[np.floating[Any]]

FOCAL = 1.1  # focal length in longer sides: between a phone's main camera (0.75) and a film camera's 50 mm (1.4)
FIT_STEP = 12  # one flow vector in 12 x 12 pixels
CANDIDATES = 96  # translation directions over the half sphere: neighbours are about 14 degrees apart
REFINEMENTS = 20  # directions tried around the best of them
ROUNDS = 3  # reweightings that free the fit of movers
OBSERVABLE_PX = 0.4  # parallax in grid pixels below which noise of the flow outweighs depth


@dataclass(frozen=True, eq=False)
class EgoMotion:
    """Camera motion between two frames and how well it explains the flow."""

    translation: Field
    """(3,) unit direction; its sign makes most depths positive."""
    rotation: Field
    """(3,) radians between the two frames."""
    spread_px: float
    """Median distance in grid pixels between sampled flow and the epipolar line it should lie on."""
    parallax_px: float
    """Length in grid pixels of the flow that no rotation explains: its upper quartile over the picture."""

    @property
    def observable(self) -> bool:
        """Whether the camera translates enough for depth to be seen."""
        return self.parallax_px > max(OBSERVABLE_PX, 2.0 * self.spread_px)


def _normalised(points: Field, hw: tuple[int, int]) -> tuple[Field, float]:
    focal = FOCAL * max(hw)
    centre = np.array([(hw[1] - 1) / 2, (hw[0] - 1) / 2])
    return (points - centre) / focal, focal


def _rotation_basis(p: Field) -> Field:
    """(P, 2, 3) flow at normalised positions for unit rotations about x, y and z."""
    x, y = p[:, 0], p[:, 1]
    one = np.ones_like(x)
    return np.stack([np.stack([x * y, -(one + x * x), y], axis=1), np.stack([one + y * y, -x * y, -x], axis=1)], axis=1)


@functools.cache
def _half_sphere(count: int) -> Field:
    """(count, 3) directions spread evenly over the half sphere z >= 0 (Fibonacci lattice)."""
    i = np.arange(count) + 0.5
    z = 1 - i / count
    angle = i * np.pi * (3 - 5**0.5)
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


@functools.cache
def _scatter() -> Field:
    """(REFINEMENTS, 3) normally distributed steps, the same every time."""
    return np.random.default_rng(0).standard_normal((REFINEMENTS, 3))


def _fit_rotations(directions: Field, p: Field, vectors: Field, floor: float) -> tuple[Field, Field]:
    """Robust rotation (K, 3) for each of (K, 3) translation directions, and the (K, P) flow it leaves across the epipolar lines."""
    along = p.T * directions[:, 2:, None] - directions[:, :2, None]
    along /= np.maximum(np.sqrt((along * along).sum(axis=1, keepdims=True)), 1e-9)
    basis = np.concatenate([_rotation_basis(p), vectors[..., None]], axis=2)
    right, down = np.ascontiguousarray(basis.transpose(1, 2, 0))
    system = along[:, :1] * down - along[:, 1:] * right  # (K, 4, P): three columns of the design and the target, each across the lines
    design, target = system[:, :3], system[:, 3]
    weighted = design
    for left in range(ROUNDS, 0, -1):
        normal = weighted @ system.transpose(0, 2, 1)
        rotations = np.linalg.solve(normal[..., :3] + 1e-9 * np.eye(3), normal[..., 3:])
        residuals = target - (rotations.transpose(0, 2, 1) @ design)[:, 0]
        if left > 1:
            scale = np.maximum(1.5 * _medians(np.abs(residuals)), floor)
            weighted = design / (1 + (residuals / scale[:, None]) ** 2)[:, None]
    return rotations[..., 0], residuals


def _medians(values: Field) -> Field:
    """(K,) medians of (K, P) values: for some hundred values sorting takes a fifth of the time of np.median."""
    middle = values.shape[1] // 2
    ordered = np.sort(values, axis=1)
    return (ordered[:, middle] + ordered[:, ~middle]) / 2


def estimate_ego_motion(flow: Field) -> EgoMotion:
    """Camera motion from an (h, w, 2) flow field in grid pixels; what moves on its own may cover up to about half of it."""
    p, vectors, focal = _sampled(flow)
    candidates = _half_sphere(CANDIDATES)
    for every, spread in ((2, 0.2), (1, 0.06), (1, 0.0)):  # half the points, then finer around the best by the distance between candidates
        rotations, residuals = _fit_rotations(candidates, p[::every], vectors[::every], 0.05 / focal)
        costs = np.minimum(np.abs(residuals) * focal, 2.0).mean(axis=1)
        winner = int(costs.argmin())
        direction, rotation, residual = candidates[winner], rotations[winner], residuals[winner]
        around = direction + spread * _scatter()
        candidates = np.concatenate([direction[None], around / np.linalg.norm(around, axis=1, keepdims=True)])
    along = p * direction[2] - direction[:2]
    turning = _rotation_basis(p)
    sign = 1.0 if np.median(((vectors - turning @ rotation) * along).sum(axis=1)) >= 0 else -1.0
    spread = float(np.median(np.abs(residual))) * focal
    return EgoMotion(sign * direction, rotation, spread, _parallax_px(turning, vectors, focal))


def ego_motion_along(flow: Field, translation: Field) -> EgoMotion:
    """Camera motion from an (h, w, 2) flow field in grid pixels whose translation has a known (3,) unit direction, sign included."""
    p, vectors, focal = _sampled(flow)
    rotations, residuals = _fit_rotations(translation[None], p, vectors, 0.05 / focal)
    turning = _rotation_basis(p)
    spread = float(np.median(np.abs(residuals[0]))) * focal
    return EgoMotion(translation, rotations[0], spread, _parallax_px(turning, vectors, focal))


def _sampled(flow: Field) -> tuple[Field, Field, float]:
    """Normalised positions (P, 2) of a grid, the flow (P, 2) there in units of the focal length, and that length in grid pixels."""
    height, width = flow.shape[:2]
    y, x = (side.ravel() for side in np.mgrid[FIT_STEP // 2 : height : FIT_STEP, FIT_STEP // 2 : width : FIT_STEP])
    p, focal = _normalised(np.stack([x, y], axis=1).astype(np.float64), (height, width))
    return p, flow[y, x].astype(np.float64) / focal, focal


def _parallax_px(turning: Field, vectors: Field, focal: float) -> float:
    """Upper quartile in grid pixels of the flow that the best rotation leaves, from the (P, 2, 3) flow of unit rotations."""
    unexplained = np.linalg.norm(vectors - turning @ _rotation_alone(turning, vectors, 0.05 / focal), axis=1)
    return float(np.quantile(unexplained, 0.75)) * focal


def _rotation_alone(turning: Field, vectors: Field, floor: float) -> Field:
    """Robust rotation (3,) of a camera that does not translate, from the (P, 2, 3) flow of unit rotations."""
    design, target = turning.reshape(-1, 3), vectors.reshape(-1)
    weights = np.ones(len(target))
    for _ in range(2 * ROUNDS):
        normal = (design * weights[:, None]).T
        rotation = np.linalg.solve(normal @ design + 1e-9 * np.eye(3), normal @ target)
        left = (target - design @ rotation).reshape(-1, 2)
        residual = np.sqrt((left * left).sum(axis=1))
        weights = np.repeat(1 / (1 + (residual / max(1.5 * float(_medians(residual[None])[0]), floor)) ** 2), 2)
    return rotation


def epipolar_parts(flow: Field, ego: EgoMotion) -> tuple[Field, Field]:
    """Split an (h, w, 2) float32 flow field, less rotation, into parts along and across epipolar lines.

    Returns:
        (h, w) parallax along the lines in grid pixels (negative = behind the camera: impossible for what is static), and
        (h, w) distance across them in grid pixels (zero for what is static).
    """
    x, y, focal = _picture_axes(flow)
    turn = ego.rotation.astype(np.float32)
    left_x = flow[..., 0] - (turn[0] * x * y - turn[1] * (1 + x * x) + turn[2] * y) * focal
    left_y = flow[..., 1] - (turn[0] * (1 + y * y) - turn[1] * x * y - turn[2] * x) * focal
    along_x, along_y = _translation_flow(x, y, ego)
    length = np.maximum(np.hypot(along_x, along_y), np.float32(1e-9))
    return (left_x * along_x + left_y * along_y) / length, np.abs(left_x * along_y - left_y * along_x) / length


def _picture_axes(flow: Field) -> tuple[Field, Field, np.float32]:
    """Normalised x (1, w) and y (h, 1) of the pixels of a field, and the focal length in pixels, in float32."""
    height, width = flow.shape[:2]
    focal = np.float32(FOCAL * max(height, width))
    x = (np.arange(width, dtype=np.float32)[None] - np.float32((width - 1) / 2)) / focal
    y = (np.arange(height, dtype=np.float32)[:, None] - np.float32((height - 1) / 2)) / focal
    return x, y, focal


def _translation_flow(x: Field, y: Field, ego: EgoMotion) -> tuple[Field, Field]:
    """Flow (h, w) in x and in y that the translation causes at depth 1."""
    shift = ego.translation.astype(np.float32)
    return (x * shift[2] - shift[0]) + 0 * y, (y * shift[2] - shift[1]) + 0 * x


def inverse_depth(flow: Field, ego: EgoMotion) -> tuple[Field, Field]:
    """Relative inverse depth (h, w), not yet scaled, and the (h, w) confidence in it, from one flow field."""
    x, y, _ = _picture_axes(flow)
    leverage = np.hypot(*_translation_flow(x, y, ego))
    parallel, across = epipolar_parts(flow, ego)
    usable = np.maximum(leverage, 0.05)
    # A pixel of noise weighs more where translation moves the picture less: near the epipole.
    confidence = leverage**2 / (1 + (across / max(3 * ego.spread_px, 0.3)) ** 2)
    return np.maximum(parallel, 0) / usable, confidence * (parallel > -2 * max(ego.spread_px, 0.2))


def densify(values: Field, confidence: Field, guide: npt.NDArray[np.uint8]) -> Field:
    """Spread (h, w) values from where confidence is high to everywhere, then draw them to the edges of the (h, w) grey guide.

    Each pixel takes the confidence-weighted mean of the smallest window that holds enough confidence (normalised convolution, Knutsson
    and Westin, CVPR 1993); a guided filter then follows the edges.
    """
    weight = np.minimum(confidence / max(float(np.quantile(confidence, 0.9)), 1e-9), 1).astype(np.float32)
    spread = np.full_like(weight, np.average(values, weights=weight))
    for radius in (values.shape[1] // share for share in (3, 6, 12, 25, 50)):
        size = (2 * radius + 1, 2 * radius + 1)
        mass = cv2.blur(weight, size, borderType=cv2.BORDER_REFLECT)
        spread = (cv2.blur(weight * values, size, borderType=cv2.BORDER_REFLECT) + 0.05 * spread) / (mass + 0.05)
    return guided_filter(spread, guide.astype(np.float32) / 255, radius=max(4, values.shape[1] // 28), epsilon=1e-3)


def depth_of_frame(
    flow: npt.NDArray[np.float16], valid: npt.NDArray[np.bool_], guide: npt.NDArray[np.uint8], found: dict[int, EgoMotion] | None = None
) -> Field | None:
    """Relative inverse depth in [0, 1] of one frame at the size of its (h / 2, w / 2, 3) picture; None where it cannot be seen.

    Args:
        flow: (G, h, w, 2) flow of the frame.
        valid: (G,) which of them exist.
        guide: RGB picture whose edges the depth follows.
        found: takes the motion of the camera towards each long gap.
    """
    hw = guide.shape[:2]
    grey = cv2.cvtColor(guide, cv2.COLOR_RGB2GRAY)
    total, mass = np.zeros(hw, np.float32), np.zeros(hw, np.float32)
    for gap in (gap for gap, exists in zip(GAPS, valid, strict=True) if exists and abs(gap) > 1):
        field = cv2.resize(flow[GAPS.index(gap)].astype(np.float32), (hw[1], hw[0]), interpolation=cv2.INTER_AREA) * (hw[0] / flow.shape[1])
        ego = estimate_ego_motion(field)
        if found is not None:
            found[gap] = ego
        if not ego.observable:
            continue
        values, confidence = inverse_depth(field, ego)
        scale = float(np.median(values[confidence > 0])) if (confidence > 0).any() else 0.0
        if scale > 0:
            total += confidence * np.minimum(values / scale, 8)
            mass += confidence
    if not mass.any():
        return None
    dense = densify(total / np.maximum(mass, 1e-6), mass, grey)
    low, high = np.quantile(dense, (0.01, 0.99))
    return np.clip((dense - low) / max(high - low, 1e-6), 0, 1)
