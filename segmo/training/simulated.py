"""Rendered scenes in the published folder layout, with exact tracks that are then spoiled a little, to train the motion network without
downloading a data set and without running a tracker.

Tracks come from the scene's geometry plus noise; hidden ones go on exactly, which no tracker achieves. Depth is exact up to the scale of
each frame. Features are the colour and texture descriptors of the lite preset.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmo.datasets.layout import Layout, Scene, write_depth, write_features, write_image, write_mask, write_tracks
from segmo.files import write_text
from segmo.lite.descriptors import describe
from segmo.stages.paper_rules import stored_depth
from segmo.stages.tracks import query_frames
from segmo.synthetic import render, sample_scene
from segmo.synthetic.dataset import sample_seed
from segmo.synthetic.scene import RenderedScene
from segmo.training.arguments import SimulatedScenes
from segmo.training.shards import claim, on_all, pick
from segmo.types import Steps

LOGIT, LOGIT_SPREAD = 4.0, 1.0
"""Of what a simulated tracker says about occlusion and distance."""


def render_layout(root: Path, settings: SimulatedScenes) -> Steps[None]:
    """Render those scenes that are not there yet.

    Raises:
        DataError: the folder holds other scenes, or cannot be written.
        OutputError: a file cannot be written.
    """
    kind = dataclasses.asdict(settings) | {"scenes": 0, "workers": 0}  # those may change later
    claim(root, json.dumps(kind))
    missing = [index for index in range(settings.scenes) if not _scene(root, index).record.exists()]
    jobs = [(root, settings, index) for index in missing]
    for done, _ in enumerate(on_all(write_scene, jobs, settings.workers), start=1):
        yield done / len(missing)


def _scene(root: Path, index: int) -> Scene:
    return Layout(root).scene(f"scene_{index:06d}")


def write_scene(job: tuple[Path, SimulatedScenes, int]) -> None:
    """Render one scene; its record is written last and marks it complete."""
    root, settings, index = job
    own, scene = sample_seed(settings.seed, index), _scene(root, index)
    times = tuple(float(t) for t in range(-(settings.frames // 2), settings.frames - settings.frames // 2))
    hw = (settings.height, settings.width)
    config = dataclasses.replace(pick(settings.kinds, own), hw=hw, times=times, degraded=False)
    rendered = render(sample_scene(own, config), times)
    names = [f"{t:05d}" for t in range(settings.frames)]
    depth, moving = stored_depth(rendered.inverse_depth), rendered.moving_labels > 0
    for t, name in enumerate(names):
        write_image(scene.images / f"{name}.png", rendered.frames[t])
        write_depth(scene.depth_file(name), depth[t])
        write_mask(scene.mask_file(name), moving[t])
    rng = np.random.default_rng([own, 0x77])
    for t in query_frames(settings.frames, settings.step):
        write_features(scene.feature_file(names[t]), describe(rendered.frames[t]).astype(np.float16))
        write_tracks(scene, names[t], names, spoiled_tracks(rendered, int(t), settings, rng))
    write_text(scene.record, json.dumps({"simulated": dataclasses.asdict(settings)}) + "\n")


def spoiled_tracks(scene: RenderedScene, query: int, settings: SimulatedScenes, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """(N, T, 4) what a good tracker would say of a grid of points of a query frame: x, y, logits of occlusion and distance."""
    half = settings.spacing // 2
    y, x = np.mgrid[half : settings.height : settings.spacing, half : settings.width : settings.spacing]
    points = np.stack([x.ravel(), y.ravel()], axis=1).astype(np.float32)
    exact = scene.tracks(np.full(len(points), query), points)
    positions = exact.positions_xy + rng.normal(0, settings.noise, exact.positions_xy.shape)
    positions[:, query] = points
    occlusion = rng.normal(np.where(exact.visibility > 0.5, -LOGIT, LOGIT), LOGIT_SPREAD)
    distance = rng.normal(-LOGIT, LOGIT_SPREAD, occlusion.shape)
    return np.concatenate([positions, occlusion[..., None], distance[..., None]], axis=2).astype(np.float32)
