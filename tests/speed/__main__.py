"""What the paper's networks cost at their published sizes, with random weights, on which time does not depend.

python -m tests.speed tracker [--points 512] [--frames 50]    features once for all points, against 128 points a call with features anew
python -m tests.speed motion  [--tracks 5000] [--frames 50]   seconds and peak memory of the motion network
python -m tests.speed stages  [--device cuda]                 seconds and peak memory of depth, features, tracks and motion on 854x480

Seconds are of wall time, and CPU seconds (of all threads), which a busy machine changes less.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from segmo.networks.motion_net import CHANNELS, DESCRIPTOR, MotionNet, encode_tracks
from segmo.networks.tapir import RESOLUTION, Tapir
from segmo.settings import TrackSettings
from segmo.stages.motion import MotionInputs
from segmo.stages.tracks import query_frames, query_points
from segmo.types import Clip, finish
from segmo.zoo.paper_depth import DepthAnything
from segmo.zoo.paper_features import Dinov2
from segmo.zoo.paper_motion import PaperMotion
from segmo.zoo.paper_tracks import BootsTapir

PUBLISHED_CALL = 128
"""Points that the published code tracks at a time."""
CLAIM = (2048, 5)
"""Points a query frame, and query frames, for which the gain is stated."""


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def timed(what: str, device: str = "cpu") -> Iterator[list[float]]:
    """Wall and CPU seconds, said and put into the list."""
    found: list[float] = []
    wall, cpu = time.perf_counter(), time.process_time()
    yield found
    if device != "cpu":
        torch.cuda.synchronize()
    found += [time.perf_counter() - wall, time.process_time() - cpu]
    say(f"{what}: {found[0]:.1f} s, {found[1]:.1f} CPU s")


def tracker(options: argparse.Namespace) -> None:
    random = torch.Generator().manual_seed(0)
    network = Tapir().eval().requires_grad_(False)
    frames = torch.randint(0, 256, (options.frames, RESOLUTION, RESOLUTION, 3), dtype=torch.uint8, generator=random)
    queries = torch.rand(options.points, 3, generator=random) * torch.tensor([0.0, RESOLUTION - 1, RESOLUTION - 1])
    with torch.inference_mode(), timed(f"features of {options.frames} frames") as features:
        network.features(frames)
    with timed(f"{options.points} points, features once") as ours:
        finish(network.track(frames, queries, memory_bytes=512 << 20))
    with timed(f"{options.points} points, {PUBLISHED_CALL} a call, features in each") as published:
        for first in range(0, options.points, PUBLISHED_CALL):
            finish(network.track(frames, queries[first : first + PUBLISHED_CALL], memory_bytes=512 << 20))
    say(f"at this number of points: {published[1] / ours[1]:.2f} times faster")
    point = (ours[1] - features[1]) / options.points
    many = CLAIM[0] * CLAIM[1]
    gain = (features[1] / PUBLISHED_CALL + point) / (features[1] / many + point)
    say(f"a point costs {point:.3f} CPU s; at {CLAIM[0]} points on each of {CLAIM[1]} query frames: {gain:.2f} times faster a point")


def motion(options: argparse.Namespace) -> None:
    random = torch.Generator().manual_seed(0)
    network = MotionNet().eval().requires_grad_(False)
    shape = (1, options.tracks, options.frames)
    xy = torch.rand(1, 2, *shape[1:], generator=random) * 2 - 1
    hidden = torch.rand(shape, generator=random) < 0.2
    depth = torch.rand(1, options.frames, 480, 854, generator=random)
    looks = torch.randn(1, options.tracks, DESCRIPTOR, generator=random)
    base = peak_gb()
    with torch.inference_mode(), timed(f"motion network, {options.tracks} tracks x {options.frames} frames, {CHANNELS} channels"):
        network(encode_tracks(xy, hidden, torch.rand(shape), torch.rand(shape), depth), hidden, looks)
    say(f"peak memory of the process {peak_gb():.2f} GB, of which {base:.2f} GB before it began")


def peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def stages(options: argparse.Namespace) -> None:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    from segmo.networks import depth_anything
    from segmo.networks.dino import DinoKeys, base_model

    random = np.random.default_rng(0)
    count, hw, device = options.frames, (480, 854), options.device
    frames = random.integers(0, 256, (count, *hw, 3), np.uint8)
    clip = Clip(frames, np.arange(count) / 25, np.arange(count), tuple(map(str, range(count))), hw, count, 25.0)
    asked = query_frames(count, 10)
    points = query_points(hw, asked, TrackSettings(max_tracks=options.tracks))
    backbone = Dinov2Config(
        image_size=518,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        out_indices=[5, 12, 18, 24],
        reshape_hidden_states=False,
    )
    large = DepthAnythingConfig(
        backbone_config=backbone, reassemble_hidden_size=1024, neck_hidden_sizes=[256, 512, 1024, 1024], fusion_hidden_size=256
    )
    work: dict[str, Callable[[], Any]] = {}
    made: dict[str, Any] = {}
    work["depth"] = lambda: DepthAnything(depth_anything.DepthAnything(DepthAnythingForDepthEstimation(large)).eval(), device).depth(
        clip, None
    )
    work["tracks"] = lambda: BootsTapir(Tapir().eval().requires_grad_(False), device).track(clip, points, None)
    work["features"] = lambda: Dinov2(DinoKeys(base_model()).eval(), device).describe(clip, asked)
    work["motion"] = lambda: PaperMotion(MotionNet().eval(), device).evidence(
        MotionInputs(clip, made["depth"], made["tracks"], made["features"], None)
    )
    for name in ("depth", "tracks", "features", "motion"):
        steps = work[name]()  # a generator: the model is made, and nothing computed yet
        if device != "cpu":
            torch.cuda.reset_peak_memory_stats()
        with timed(f"{name}, {count} frames", device):
            made[name] = finish(steps)
        peak = torch.cuda.max_memory_allocated() / 1e9 if device != "cpu" else peak_gb()
        say(f"{name}: at most {peak:.2f} GB")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("tracker", "motion", "stages"))
    parser.add_argument("--points", type=int, default=512)
    parser.add_argument("--tracks", type=int, default=5000)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    {"tracker": tracker, "motion": motion, "stages": stages}[options.what](options)


if __name__ == "__main__":
    main()
