"""TAPIR: follows any point through a clip.

Source: "TAPIR: Tracking Any Point with per-frame Initialization and temporal Refinement" (arXiv 2306.08637) and "BootsTAP" (arXiv
2402.00847); written anew for DeepMind's weights `bootstapir_checkpoint_v2.pt` (Apache-2.0), whose 218 names and shapes it takes unchanged;
`tapir_checkpoint_panning.pt`, the same without the extra convolutions and the coarsest correlations, loads too. Layers: `tapir_layers.py`.
Licence: MIT. Deviations, none of which changes a result by more than rounding:

- The features of a frame are computed once and serve all points. Points go through in chunks.
- Features are correlated with a point's descriptor over the whole grid by one matrix product, and the 7 x 7 correlations around a
  position are read from that image, where the published code gathers 7 x 7 descriptors first. Both are linear, so the order is free.
- A window of frames moves over long clips; see `Tapir.track`.

Coordinates are those of the network: frames of S x S pixels whose left and upper *borders* lie at 0.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmo.networks.precision import reduced
from segmo.networks.tapir_layers import HIGH, LOW, PATCH, Backbone, CostVolumeHeads, Estimate, ExtraConvolutions, Mixer
from segmo.networks.weights import fill, read_weights

RESOLUTION = 256
"""Height and width of the frames that the published weights expect."""
ITERATIONS = 4
BYTES_PER_TOKEN = 64 << 10
"""Memory that a point takes for each frame of a window at most: correlations and the mixer's widest layers."""
FRAMES_AT_ONCE = 8
"""Frames whose features are computed together."""
FEATURES_SHARE = 0.2
"""Of the progress, for the features of a window: about what they take for a thousand points."""
WINDOW, OVERLAP = 192, 64


class Features(NamedTuple):
    """What a clip looks like: unit vectors in every cell."""

    low: Tensor
    """(T, 256, S / 8, S / 8)."""
    high: Tensor
    """(T, 128, S / 4, S / 4)."""

    def frames(self, start: int, stop: int | None = None) -> Features:
        """A part of the clip."""
        return Features(self.low[start:stop], self.high[start:stop])


class Tapir(nn.Module):
    """The whole tracker.

    Args:
        boots: whether it is BootsTAPIR; plain TAPIR has neither the extra convolutions nor the correlations on a third, coarser grid.
    """

    def __init__(self, boots: bool = True) -> None:
        super().__init__()
        self.resnet_torch = Backbone()
        self.torch_cost_volume_track_mods = CostVolumeHeads()
        self.torch_pips_mixer = Mixer(3 if boots else 2)
        if boots:
            self.extra_convs = ExtraConvolutions()
        self.boots = boots

    def features(self, frames: Tensor, precision: torch.dtype = torch.float32) -> Features:
        """Features of (T, S, S, 3) uint8 frames, a few frames at a time. S is a multiple of 16."""
        device = self.resnet_torch.initial_conv.weight.device
        parts = []
        for first in range(0, len(frames), FRAMES_AT_ONCE):
            images = frames[first : first + FRAMES_AT_ONCE].to(device).permute(0, 3, 1, 2).float() / 255 * 2 - 1
            with reduced(device, precision):
                low, high = self.resnet_torch(images)
                low = self.extra_convs(low) if self.boots else low
            parts.append(Features(_unit(low.float()), _unit(high.float())))
        return Features(torch.cat([part.low for part in parts]), torch.cat([part.high for part in parts]))

    def descriptors(self, features: Features, positions: Tensor) -> tuple[Tensor, Tensor]:
        """What points look like on one frame.

        Args:
            features: of that frame alone.
            positions: (N, 2) x and y.

        Returns:
            low (N, 256) and high (N, 128).
        """
        grid = (positions / (features.low.shape[-1] * 8) * 2 - 1)[None, None]
        low, high = (F.grid_sample(maps, grid, padding_mode="border", align_corners=False)[0, :, 0].T for maps in features)
        return low, high

    def estimates(
        self, features: Features, low: Tensor, high: Tensor, queries: Tensor, precision: torch.dtype = torch.float32
    ) -> Iterator[Estimate]:
        """The estimate from the cost volume, then that after each refinement.

        Args:
            features: of T frames.
            low: (N, 256) descriptors of the points.
            high: (N, 128) descriptors of the points.
            queries: (N, 3) frame, counted from the first of `features`, x and y; the frame may lie outside.
            precision: what the mixer computes in.

        Yields:
            ITERATIONS + 1 estimates; the last is the result.
        """
        frame_count, scale = len(features.low), 8.0
        volume = _correlate(features.low, low.expand(frame_count, -1, -1))
        now = self.torch_cost_volume_track_mods(volume, scale)
        on_query = queries[:, 0] == torch.arange(frame_count, device=queries.device)[:, None]
        now = now._replace(positions=torch.where(on_query[..., None], queries[:, 1:], now.positions))
        yield now
        looks = torch.cat([high, low], -1).expand(frame_count, -1, -1)
        for iteration in range(ITERATIONS):
            fine = _correlate(features.high, looks[..., :HIGH])
            coarse = volume if iteration == 0 else _correlate(features.low, looks[..., HIGH:])
            volumes = (fine, coarse, F.avg_pool2d(coarse, 2)) if self.boots else (fine, coarse)
            side = features.low.shape[-1] * scale
            patches = [_patches(volume, now.positions / side) for volume in volumes]
            known = torch.stack([now.occlusion, now.distance], -1)
            inputs = torch.cat([torch.zeros_like(now.positions), known, looks, *patches], -1)  # zeros where a position would be
            with reduced(inputs.device, precision):
                change = self.torch_pips_mixer(inputs)
            change = change.float()
            now = Estimate(now.positions + change[..., :2], now.occlusion + change[..., 2], now.distance + change[..., 3])
            looks = looks + change[..., 4:]
            yield now

    @torch.inference_mode()
    def track(
        self,
        frames: Tensor,
        queries: Tensor,
        *,
        memory_bytes: int = 1 << 30,
        precision: torch.dtype = torch.float32,
        window: int = WINDOW,
        overlap: int = OVERLAP,
    ) -> Generator[float, None, Estimate]:
        """Follow points through a clip.

        Clips of more than `window` frames are seen through a window that moves on by `window - overlap`; half of the overlap is taken from
        either side. The mixer looks 24 frames to either side in each of 4 iterations, so an overlap of 192 would change nothing at all.

        Args:
            frames: (T, S, S, 3) uint8, on any device.
            queries: (N, 3) frame, x and y; the frames are whole numbers.
            memory_bytes: memory that a chunk of points may take beside weights and features.
            precision: float32, bfloat16 or float16 for the convolutions and the mixer; positions and correlations stay float32.
            window: frames seen together.
            overlap: frames that neighbouring windows share.

        Yields:
            The share done.

        Returns:
            The result for all frames and points, on the processor.
        """
        device = self.resnet_torch.initial_conv.weight.device
        queries = queries.to(device, torch.float32)
        count, frame_count = len(queries), len(frames)
        spans = window_spans(frame_count, window, overlap)
        result = Estimate(torch.empty(frame_count, count, 2), torch.empty(frame_count, count), torch.empty(frame_count, count))
        parts: list[Features] = []  # of the frames seen so far that the window still needs
        seen = 0
        for number, (start, stop, kept_start, kept_stop) in enumerate(spans):
            if parts:
                parts = [parts[0].frames(start - (seen - len(parts[0].low)))]
            while seen < stop:
                fresh = self.features(frames[seen : min(seen + FRAMES_AT_ONCE, stop)], precision)
                parts.append(fresh)
                seen += len(fresh.low)
                yield (number + FEATURES_SHARE * (seen - start) / (stop - start)) / len(spans)
            features = Features(*(torch.cat(maps) for maps in zip(*parts, strict=True)))
            parts = [features]
            if number == 0:
                low, high = self.descriptors_of(frames, features, queries, precision)
            size = max(1, memory_bytes // (BYTES_PER_TOKEN * (stop - start)))
            kept = slice(kept_start - start, kept_stop - start)
            for first in range(0, count, size):
                part = slice(first, first + size)
                relative = queries[part] - torch.tensor([start, 0, 0], device=device)
                *_, last = self.estimates(features, low[part], high[part], relative, precision)
                for target, values in zip(result, last, strict=True):
                    target[kept_start:kept_stop, part] = values[kept].cpu()
                yield (number + FEATURES_SHARE + (1 - FEATURES_SHARE) * min(1.0, (first + size) / count)) / len(spans)
        return result

    def descriptors_of(
        self, frames: Tensor, features: Features, queries: Tensor, precision: torch.dtype = torch.float32
    ) -> tuple[Tensor, Tensor]:
        """Descriptors of all points, from `features` of the first frames, and from frames looked at just for this."""
        low, high = (torch.empty(len(queries), width, device=queries.device) for width in (LOW, HIGH))
        for frame in sorted(set(queries[:, 0].int().tolist())):
            near = frame < len(features.low)
            there = features.frames(frame, frame + 1) if near else self.features(frames[frame : frame + 1], precision)
            asked = queries[:, 0] == frame
            low[asked], high[asked] = self.descriptors(there, queries[asked, 1:])
        return low, high


def window_spans(frame_count: int, window: int, overlap: int) -> list[tuple[int, int, int, int]]:
    """Windows over a clip: first frame, end, and the first frame and end of what is taken from it. One where the clip is short enough."""
    starts = [0]
    while starts[-1] + window < frame_count:
        starts.append(min(starts[-1] + window - overlap, frame_count - window))
    stops = [min(start + window, frame_count) for start in starts]
    cuts = [0, *((stop + start) // 2 for stop, start in zip(stops, starts[1:], strict=False)), frame_count]
    return list(zip(starts, stops, cuts, cuts[1:], strict=False))


def load_tapir(path: Path) -> Tapir:
    """The network with the weights of `bootstapir_checkpoint_v2.pt` or `tapir_checkpoint_panning.pt`, on the processor and ready to track.

    Raises:
        WeightsError: the file is not such a checkpoint.
    """
    weights = read_weights(path, "TAPIR")
    return fill(Tapir(boots=any(name.startswith("extra_convs.") for name in weights)), weights, path)


def _unit(features: Tensor) -> Tensor:
    return features * features.square().sum(1, keepdim=True).clamp_min(1e-12).rsqrt()


def _correlate(features: Tensor, looks: Tensor) -> Tensor:
    """(T, N, h, w) products of (T, C, h, w) features and the (T, N, C) looks of points on each frame."""
    return torch.bmm(looks, features.flatten(2)).reshape(*looks.shape[:2], *features.shape[-2:])


def _patches(volume: Tensor, positions: Tensor) -> Tensor:
    """(T, N, 49) values of (T, N, h, w) images around (T, N, 2) positions in [0, 1], a cell apart, row by row; 0 beyond the border."""
    side = volume.shape[-1]
    steps = torch.arange(PATCH, device=volume.device) - PATCH // 2
    rows, columns = torch.meshgrid(steps, steps, indexing="ij")
    offsets = torch.stack([columns, rows], -1) * (2 / side)
    grid = (positions * 2 - 1).flatten(0, 1)[:, None, None] + offsets
    return F.grid_sample(volume.flatten(0, 1)[:, None], grid, padding_mode="zeros", align_corners=False).reshape(*positions.shape[:2], -1)
