"""What the paper's networks cost at their published sizes, with random weights, on which time does not depend.

python -m tests.speed tracker   [--points 512] [--frames 50]    features once for all points, against 128 points a call with features anew
python -m tests.speed motion    [--tracks 5000] [--frames 50]   seconds and peak memory of the motion network
python -m tests.speed stages    [--device cuda]                 seconds and peak memory of every stage on 854x480, three objects
python -m tests.speed deviation [--device cuda]                 the device's precision against float32, a stage at a time

Each takes --device. Seconds are of wall time on a GPU, and CPU seconds (of all threads) on a processor, which others' work changes less.
"""

from __future__ import annotations

import argparse

import torch

from segmo.networks.motion_net import CHANNELS, DESCRIPTOR, MotionNet, encode_tracks
from segmo.networks.precision import place
from segmo.networks.tapir import RESOLUTION, Tapir
from segmo.types import finish
from segmo.zoo.paper_tracks import CPU_CHUNK_BYTES, GPU_CHUNK_BYTES

from .measuring import Clock, peak_gb, say
from .stages import deviate, measure

PUBLISHED_CALL = 128
"""Points that the published code tracks at a time, in float32."""
CLAIM = (2048, 5)
"""Points a query frame, and query frames, for which the gain is stated."""


def tracker(options: argparse.Namespace) -> None:
    device, precision = place(options.device)
    random = torch.Generator().manual_seed(0)
    network = Tapir().eval().requires_grad_(False).to(device)
    frames = torch.randint(0, 256, (options.frames, RESOLUTION, RESOLUTION, 3), dtype=torch.uint8, generator=random)
    queries = torch.rand(options.points, 3, generator=random) * torch.tensor([0.0, RESOLUTION - 1, RESOLUTION - 1])
    memory = CPU_CHUNK_BYTES if device.type == "cpu" else GPU_CHUNK_BYTES
    clock = Clock(options.device)
    if device.type != "cpu":  # what is built or chosen at first use is not what is compared
        for first in (precision, torch.float32):
            finish(network.track(frames, queries[:PUBLISHED_CALL], memory_bytes=memory, precision=first))
    with torch.inference_mode():
        clock.start()
        network.features(frames, precision)
        features = clock.cost()
    clock.start()
    finish(network.track(frames, queries, memory_bytes=memory, precision=precision))
    ours, peak = clock.cost(), peak_gb(options.device)
    say(f"{options.points} points, {options.frames} frames: features once {features:.2f} s, all {ours:.2f} s, at most {peak:.2f} GB")
    if options.only_ours:
        return
    calls = range(0, options.points, PUBLISHED_CALL)[: options.calls]
    clock.start()
    for first in calls:
        finish(network.track(frames, queries[first : first + PUBLISHED_CALL], memory_bytes=memory))
    published = clock.cost() / len(calls)
    say(f"{PUBLISHED_CALL} points a call, features in each, float32: {published:.3f} s a call")
    point = (ours - features) / options.points
    many = CLAIM[0] * CLAIM[1]
    gain = published / PUBLISHED_CALL / (features / many + point)
    say(f"at {CLAIM[0]} points on each of {CLAIM[1]} query frames: {gain:.2f} times faster a point")


def motion(options: argparse.Namespace) -> None:
    random = torch.Generator().manual_seed(0)
    network = MotionNet().eval().requires_grad_(False).to(options.device)
    shape = (1, options.tracks, options.frames)
    xy = torch.rand(1, 2, *shape[1:], generator=random) * 2 - 1
    hidden = torch.rand(shape, generator=random) < 0.2
    depth = torch.rand(1, options.frames, 480, 854, generator=random)
    looks = torch.randn(1, options.tracks, DESCRIPTOR, generator=random)
    inputs = [values.to(options.device) for values in (xy, hidden, torch.rand(shape), torch.rand(shape), depth, looks)]
    base = peak_gb(options.device)
    clock = Clock(options.device)
    with torch.inference_mode():
        network(encode_tracks(*inputs[:5]), inputs[1], inputs[5])
    say(f"motion network, {options.tracks} tracks x {options.frames} frames, {CHANNELS} channels: {clock.seconds():.1f} s")
    say(f"peak memory {peak_gb(options.device):.2f} GB, of which {base:.2f} GB before it began")


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tests.speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("tracker", "motion", "stages", "deviation"))
    parser.add_argument("--points", type=int, default=512)
    parser.add_argument("--tracks", type=int, default=5000)
    parser.add_argument("--frames", type=int, default=50)
    parser.add_argument("--calls", type=int, default=10**6, help="tracker: time at most so many of the published calls")
    parser.add_argument("--only-ours", action="store_true", help="tracker: no comparison")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    match options.what:
        case "tracker":
            tracker(options)
        case "motion":
            motion(options)
        case "stages":
            measure(options.frames, options.tracks, options.device)
        case _:
            deviate(options.frames, options.tracks, options.device)


if __name__ == "__main__":
    main()
