"""TAPIR: follows any point through a clip.

Source: "TAPIR: Tracking Any Point with per-frame Initialization and temporal Refinement" (arXiv 2306.08637) and "BootsTAP" (arXiv
2402.00847); written anew for DeepMind's weights `bootstapir_checkpoint_v2.pt` (Apache-2.0), whose 218 names and shapes it takes unchanged.
Licence: MIT. Deviations, none of which changes a result by more than rounding:

- The features of a frame are computed once and serve all points. Points go through in chunks.
- Features are correlated with a point's descriptor over the whole grid by one matrix product, and the 7 x 7 correlations around a
  position are read from that image, where the published code gathers 7 x 7 descriptors first. Both are linear, so the order is free.
- A window of frames moves over long clips; see `Tapir.track`.

Coordinates are those of the network: frames of S x S pixels whose left and upper *borders* lie at 0.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmo.networks.weights import load_into

RESOLUTION = 256
"""Height and width of the frames that the published weights expect."""
ITERATIONS = 4
TEMPERATURE = 20.0
ARGMAX_RADIUS = 5.0
"""Cells around the best one that share in an initial position."""
PATCH = 7
HIGH, LOW = 128, 256
"""Channels of the features at one quarter and one eighth of the resolution."""
MIXER_WIDTH, MIXER_BLOCKS = 512, 12
BYTES_PER_TOKEN = 64 << 10
"""Memory that a point takes for each frame of a window at most: correlations and the mixer's widest layers."""
VOLUMES_AT_ONCE = 512
"""Points and frames whose first estimate is computed together."""
FRAMES_AT_ONCE = 8
"""Frames whose features are computed together."""
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


class Estimate(NamedTuple):
    """Where points are, as far as is known."""

    positions: Tensor
    """(T, N, 2) x and y."""
    occlusion: Tensor
    """(T, N) logit that the point is hidden."""
    distance: Tensor
    """(T, N) logit that the position is wrong."""


class ResidualBlock(nn.Module):
    """Norm, ReLU and convolution twice; the shortcut is taken after the first ReLU where it is projected."""

    def __init__(self, inputs: int, outputs: int, stride: int, project: bool) -> None:
        super().__init__()
        if project:
            self.proj_conv = nn.Conv2d(inputs, outputs, 1, stride, bias=False)
        self.bn_0 = nn.InstanceNorm2d(inputs, affine=True)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, stride, 1 if stride == 1 else 0, bias=False)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn_1 = nn.InstanceNorm2d(outputs, affine=True)
        self.pad = stride > 1
        self.project = project

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn_0(x))
        shortcut = self.proj_conv(y) if self.project else x
        y = self.conv_0(F.pad(y, (0, 2, 0, 2)) if self.pad else y)
        return shortcut + self.conv_1(F.relu(self.bn_1(y)))


class BlockGroup(nn.Module):
    """Two residual blocks, of which the first may shrink."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([ResidualBlock(inputs, outputs, stride, True), ResidualBlock(outputs, outputs, 1, False)])

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class Backbone(nn.Module):
    """A ResNet of four groups; (T, 3, S, S) -> low (T, 256, S / 8, S / 8) and high (T, 128, S / 4, S / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.initial_conv = nn.Conv2d(3, 64, 7, 2, bias=False)
        sizes = ((64, 64, 1), (64, HIGH, 2), (HIGH, LOW, 2), (LOW, LOW, 1))
        self.block_groups = nn.ModuleList(BlockGroup(*size) for size in sizes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        first, second, third, fourth = self.block_groups
        high = second(first(self.initial_conv(F.pad(images, (2, 4, 2, 4)))))
        return fourth(third(high)), high


class ExtraBlock(nn.Module):
    """Two convolutions whose result is added to the *normalised* input."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(LOW)
        self.conv = nn.Conv2d(LOW, 4 * LOW, 3, 1, 1)
        self.conv_1 = nn.Conv2d(4 * LOW, LOW, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer_norm(x.movedim(1, -1)).movedim(-1, 1)
        return x + self.conv_1(F.gelu(self.conv(x), approximate="tanh"))


class ExtraConvolutions(nn.Module):
    """More context for the coarse features."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(ExtraBlock() for _ in range(5))

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class CostVolumeHeads(nn.ModuleDict):
    """A first estimate from how well each cell of a frame fits a point, each frame on its own."""

    def __init__(self) -> None:
        super().__init__()
        self["hid1"] = nn.Conv2d(1, 16, 3, 1, 1)
        self["hid2"] = nn.Conv2d(16, 1, 3, 1, 1)
        self["hid3"] = nn.Conv2d(16, 32, 3, 2)
        self["hid4"] = nn.Linear(32, 16)
        self["occ_out"] = nn.Linear(16, 2)

    def forward(self, volume: Tensor, scale: float) -> Estimate:
        """The estimate from (T, N, h, w) correlations with `scale` pixels a cell."""
        images = volume.flatten(0, 1)[:, None]
        parts = [self._some(images[first : first + VOLUMES_AT_ONCE]) for first in range(0, len(images), VOLUMES_AT_ONCE)]
        positions, logits = (torch.cat(values).reshape(*volume.shape[:2], 2) for values in zip(*parts, strict=True))
        return Estimate(positions * scale, logits[..., 0], logits[..., 1])

    def _some(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Positions in cells and both logits, (M, 2) each, of (M, 1, h, w) correlations."""
        x = F.relu(self["hid1"](images))
        positions = _soft_argmax(self["hid2"](x)[:, 0])
        x = F.relu(self["hid3"](F.pad(x, (0, 2, 0, 2)))).mean((2, 3))
        return positions, self["occ_out"](F.relu(self["hid4"](x)))


def _soft_argmax(scores: Tensor) -> Tensor:
    """(M, 2) mean position x, y in cells around the maximum of (M, h, w) scores."""
    height, width = scores.shape[-2:]
    share = torch.softmax(scores.flatten(1) * TEMPERATURE, -1)
    rows, columns = torch.meshgrid(torch.arange(height, device=scores.device), torch.arange(width, device=scores.device), indexing="ij")
    centres = torch.stack([columns.flatten(), rows.flatten()], -1).to(share.dtype) + 0.5
    best = centres[share.argmax(-1)]
    offsets = centres - best[:, None]  # from the best cell rather than from the corner, which rounds less
    share = share * (offsets.square().sum(-1) < ARGMAX_RADIUS**2)
    return best + (share[..., None] * offsets).sum(1) / share.sum(-1, keepdim=True).clamp_min(1e-12)


class ChannelMixer(nn.Module):
    """A hidden layer four times as wide."""

    def __init__(self) -> None:
        super().__init__()
        self.mlp2_up = nn.Linear(MIXER_WIDTH, 4 * MIXER_WIDTH)
        self.mlp2_down = nn.Linear(4 * MIXER_WIDTH, MIXER_WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.mlp2_down(F.gelu(self.mlp2_up(x), approximate="tanh"))


class MixerBlock(nn.Module):
    """Mixes neighbouring frames channel by channel, then the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm = nn.LayerNorm(MIXER_WIDTH, bias=False)
        self.mlp1_up = nn.Conv1d(MIXER_WIDTH, 4 * MIXER_WIDTH, 3, padding=1, groups=MIXER_WIDTH)
        self.mlp1_up_1 = nn.Conv1d(4 * MIXER_WIDTH, 4 * MIXER_WIDTH, 3, padding=1, groups=4 * MIXER_WIDTH)
        self.layer_norm_1 = nn.LayerNorm(MIXER_WIDTH, bias=False)
        self.conv_channels_mixer = ChannelMixer()

    def forward(self, x: Tensor) -> Tensor:
        """(T, N, 512)."""
        x = x + self._mix_time(self.layer_norm(x))
        return x + self.conv_channels_mixer(self.layer_norm_1(x))

    def _mix_time(self, x: Tensor) -> Tensor:
        """Both convolutions over time and the sum of each channel's four.

        The four are done one after another, as shifted sums over (T, N, C): that keeps memory at a quarter and is faster than torch's
        grouped convolutions, which want time last.
        """
        up, up_bias, down, down_bias = (
            values.reshape(MIXER_WIDTH, 4, -1).permute(1, 2, 0).to(x.dtype)
            for layer in (self.mlp1_up, self.mlp1_up_1)
            for values in layer.parameters()  # weight, bias
        )
        out = down_bias.sum(0).expand_as(x).contiguous()
        for i in range(4):
            hidden = _add_shifted(up_bias[i].expand_as(x).contiguous(), x, up[i])
            out = _add_shifted(out, F.gelu(hidden, approximate="tanh"), down[i])
        return out


def _add_shifted(total: Tensor, x: Tensor, weight: Tensor) -> Tensor:
    """Add, in place, a convolution of x (T, N, C) over time with (3, C) weights, zeros beyond both ends."""
    total.addcmul_(x, weight[1])
    total[1:].addcmul_(x[:-1], weight[0])
    total[:-1].addcmul_(x[1:], weight[2])
    return total


class Mixer(nn.Module):
    """What to change about an estimate, from how it fits and how it moves; (T, N, 535) -> (T, N, 388)."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4 + HIGH + LOW + 3 * PATCH**2, MIXER_WIDTH)
        self.blocks = nn.ModuleList(MixerBlock() for _ in range(MIXER_BLOCKS))
        self.layer_norm = nn.LayerNorm(MIXER_WIDTH, bias=False)
        self.linear_1 = nn.Linear(MIXER_WIDTH, 4 + HIGH + LOW)

    def forward(self, x: Tensor) -> Tensor:
        x = self.linear(x)
        for block in self.blocks:
            x = block(x)
        return self.linear_1(self.layer_norm(x))


class Tapir(nn.Module):
    """The whole tracker."""

    def __init__(self) -> None:
        super().__init__()
        self.resnet_torch = Backbone()
        self.torch_cost_volume_track_mods = CostVolumeHeads()
        self.torch_pips_mixer = Mixer()
        self.extra_convs = ExtraConvolutions()

    def features(self, frames: Tensor, precision: torch.dtype = torch.float32) -> Features:
        """Features of (T, S, S, 3) uint8 frames, a few frames at a time. S is a multiple of 16."""
        device = self.resnet_torch.initial_conv.weight.device
        parts = []
        for first in range(0, len(frames), FRAMES_AT_ONCE):
            images = frames[first : first + FRAMES_AT_ONCE].to(device).permute(0, 3, 1, 2).float() / 255 * 2 - 1
            with _reduced(device, precision):
                low, high = self.resnet_torch(images)
                low = self.extra_convs(low)
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
            volumes = (fine, coarse, F.avg_pool2d(coarse, 2))
            side = features.low.shape[-1] * scale
            patches = [_patches(volume, now.positions / side) for volume in volumes]
            known = torch.stack([now.occlusion, now.distance], -1)
            inputs = torch.cat([torch.zeros_like(now.positions), known, looks, *patches], -1)  # zeros where a position would be
            with _reduced(inputs.device, precision):
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
        features = self.features(frames[: spans[0][1]], precision)
        low, high = self.descriptors_of(frames, features, queries, precision)
        seen = spans[0][1]
        for number, (start, stop, kept_start, kept_stop) in enumerate(spans):
            if stop > seen:
                fresh = self.features(frames[seen:stop], precision)
                old = features.frames(len(features.low) - (seen - start))
                features = Features(torch.cat([old.low, fresh.low]), torch.cat([old.high, fresh.high]))
                seen = stop
            size = max(1, memory_bytes // (BYTES_PER_TOKEN * (stop - start)))
            kept = slice(kept_start - start, kept_stop - start)
            for first in range(0, count, size):
                part = slice(first, first + size)
                relative = queries[part] - torch.tensor([start, 0, 0], device=device)
                *_, last = self.estimates(features, low[part], high[part], relative, precision)
                for target, values in zip(result, last, strict=True):
                    target[kept_start:kept_stop, part] = values[kept].cpu()
                yield (number + min(1.0, (first + size) / count)) / len(spans)
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
    """The network with the weights of `bootstapir_checkpoint_v2.pt`, on the processor and ready to track.

    Raises:
        WeightsError: the file is not such a checkpoint.
    """
    return load_into(Tapir(), path)


def _reduced(device: torch.device, precision: torch.dtype) -> AbstractContextManager[None]:
    return torch.autocast(device.type, precision, enabled=precision != torch.float32)


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
