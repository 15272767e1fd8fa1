"""MotionNet: how probably each track moves on its own, from the shape of its trajectory and from what it looks like.

Source: "Segment Any Motion in Videos" (arXiv 2503.22268), its paper configuration: 3,443,809 parameters in 200 entries, loaded from the
published `moseg.pth` unchanged; written anew from the description and the shapes of the weights. Licence: MIT. Deviations:
attention is fused and never stores N x N scores; several clips can go in one batch; parts can be left out (`MotionNetConfig`), as the
paper does in its ablation study (section 4.5 and table 3).

The weights depend on some odd behaviour, which is kept on purpose and marked "Quirk" below.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmo.errors import WeightsError
from segmo.networks.weights import fill, read_tensors, read_weights

FREQUENCIES = 10
CHANNELS = 2 * (2 + 4 * FREQUENCIES) + 4
"""Numbers a track and frame: positions and motions with their frequencies, depth, its change, visibility, confidence."""
DESCRIPTOR = 768
"""Length of a track's descriptor: the keys of DINOv2 base."""
HIDDEN = 1e4
"""Taken off the score of a hidden position; its exponential is 0, and float16 holds it."""
STATE = "model_state_dict"
"""Where the published file holds the weights."""
CONFIG_NOTE = "motion_net"
"""Note of a file of trained weights with the network's configuration as JSON."""
PARTS = ("average.", "model.")
"""What the weights' names begin with in a checkpoint; the average is what a run keeps where it makes one."""


@dataclass(frozen=True)
class MotionNetConfig:
    """What the network sees and how large it is. The defaults are those of the published weights; other values give other entries."""

    tracks: bool = True
    """Positions and motions; without them only depth, visibility and confidence are left ("w/o Tracks")."""
    depth: bool = True
    """Depth and its change ("w/o Depth")."""
    frequencies: int = FREQUENCIES
    """Octaves of the positional encoding; 0 leaves the plain numbers ("w/o PE")."""
    across_tracks: bool = True
    """Attention across tracks within a frame, besides that along time; without it, tracks first meet in the classifier ("w/o ST-ATT")."""
    descriptors: Literal["decoupled", "from_start", "joined", "none"] = "decoupled"
    """Where descriptors come in: at the feed-forward of the classifier's encoder only ("decoupled", as published); there and before the
    trajectory encoder ("from_start": "w/o MOE"); joined with the trajectories before the classifier's attention ("joined": "w/o MSDE");
    nowhere ("none": "w/o DINO")."""
    descriptor_length: int = DESCRIPTOR
    """Numbers of a descriptor."""
    time_width: int = 16
    time_heads: int = 4
    time_hidden: int = 64
    time_layers: int = 2
    """Of the trajectory encoder: channels, heads, channels of its feed-forward, layers of its encoder and of its decoder."""
    track_width: int = 128
    track_heads: int = 8
    track_hidden: int = 512
    track_layers: int = 4
    """The same of the classifier over tracks."""
    dropout: float = 0.1

    @property
    def channels(self) -> int:
        """Numbers a track and frame."""
        return self.tracks * 2 * (2 + 4 * self.frequencies) + self.depth * 2 + 2


PAPER = MotionNetConfig()


def encode_frequencies(values: Tensor, octaves: int = FREQUENCIES) -> Tensor:
    """x, y, then for f = 1, 2, 4 ... 512: sin(f x), sin(f y), cos(f x), cos(f y). Quirk: no factor pi.

    Args:
        values: (B, 2, ...).
        octaves: how many f there are.

    Returns:
        (B, 2 + 4 * octaves, ...)
    """
    parts = [values]
    for k in range(octaves):
        parts += [torch.sin(values * 2.0**k), torch.cos(values * 2.0**k)]
    return torch.cat(parts, 1)


def look_up_depth(xy: Tensor, depth: Tensor) -> Tensor:
    """The depth that belongs to each position, as the published weights have learnt it.

    Quirk: coordinates in [-1, 1] are used as if they were in [0, 1], so most negative ones read pixel (0, 0).

    Args:
        xy: (B, 2, N, T) positions in [-1, 1].
        depth: (B, T, h, w).

    Returns:
        (B, N, T)
    """
    height, width = depth.shape[-2:]
    rows, columns = torch.trunc(xy[:, 1] * height).long(), torch.trunc(xy[:, 0] * width).long()
    cells = (rows * width + columns).clamp(0, height * width - 1)  # integers: a frame of 6K has more pixels than float32 can number
    return depth.flatten(2).gather(2, cells.transpose(1, 2)).transpose(1, 2)


def look_up_frames(xy: Tensor, frames: Iterable[Tensor]) -> Tensor:
    """As `look_up_depth` for one clip, one frame after the other, since all maps of a long clip are large.

    Args:
        xy: (2, N, T) positions in [-1, 1].
        frames: (h, w) depth of each of the T frames.

    Returns:
        (N, T)

    Raises:
        ValueError: there are more or fewer frames.
    """
    each = zip(torch.split(xy, 1, -1), frames, strict=True)
    return torch.cat([look_up_depth(here[None], depth[None, None])[0] for here, depth in each], -1)


def encode_tracks(
    xy: Tensor, hidden: Tensor, visibility: Tensor, confidence: Tensor, depth: Tensor, config: MotionNetConfig = PAPER
) -> Tensor:
    """The network's input.

    Args:
        xy: (B, 2, N, T) positions, `2 * x / W - 1` and `2 * y / H - 1`, clamped to [-1, 1].
        hidden: (B, N, T) bool, where a track is not visible.
        visibility: (B, N, T) probability of being visible.
        confidence: (B, N, T) probability that the position is right, 0 where it is not known whether the track is visible.
        depth: (B, T, h, w) inverse depth in [0, 1].
        config: which of the inputs the network has.

    Returns:
        (B, 88, N, T), or fewer channels where `config` leaves some out.
    """
    return encode_looked_up(xy, hidden, visibility, confidence, look_up_depth(xy, depth), config)


def encode_looked_up(
    xy: Tensor, hidden: Tensor, visibility: Tensor, confidence: Tensor, depth: Tensor, config: MotionNetConfig = PAPER
) -> Tensor:
    """As `encode_tracks`, where the (B, N, T) depth of each position has been looked up before."""
    known = (~hidden[..., 1:]).to(xy.dtype)  # quirk: whether the track is visible *now* does not matter

    def change(values: Tensor) -> Tensor:
        return F.pad(values.diff(dim=-1) * known[:, None], (0, 1))

    parts = []
    if config.tracks:
        parts += [encode_frequencies(xy, config.frequencies), encode_frequencies(change(xy), config.frequencies)]
    if config.depth:
        parts += [depth[:, None], change(depth[:, None])]
    return torch.cat([*parts, visibility[:, None], confidence[:, None]], 1)


class Attention(nn.Module):
    """Multi-head attention; its weights are named as in torch's `MultiheadAttention`."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def forward(self, query: Tensor, memory: Tensor, visible: Tensor | None = None) -> Tensor:
        """Attend from (B, M, C) to those of (B, S, C) that are `visible`, (B, S) bool. Where none is, zeros are projected."""
        width = query.shape[-1]
        if query is memory:
            q, k, v = F.linear(query, self.in_proj_weight, self.in_proj_bias).chunk(3, -1)
        else:
            q = F.linear(query, self.in_proj_weight[:width], self.in_proj_bias[:width])
            k, v = F.linear(memory, self.in_proj_weight[width:], self.in_proj_bias[width:]).chunk(2, -1)
        q, k, v = (x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for x in (q, k, v))
        head, scale = q.shape[-1], q.shape[-1] ** -0.5
        if visible is not None:
            # torch would spread a mask over all pairs of positions: 5 GB for 5000 tracks and 50 frames. So the keys carry it, in one more
            # channel that every query reads with weight 1. Zeros fill up to the multiple of 8 channels that fused attention wants.
            bias = ((~visible).to(k.dtype) * -HIDDEN)[:, None, :, None].expand(*k.shape[:3], 1)
            fill = -(head + 1) % 8
            q = torch.cat([q, F.pad(torch.ones_like(q[..., :1]), (0, fill))], -1)
            k = torch.cat([k, F.pad(bias / scale, (0, fill))], -1)
            v = F.pad(v, (0, 1 + fill))
        mixed = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0, scale=scale)[..., :head]
        if visible is not None:
            mixed = mixed * visible.any(-1)[:, None, None, None].to(mixed.dtype)
        return self.out_proj(mixed.transpose(1, 2).flatten(2))


def _along_time(attention: Attention, x: Tensor, memory: Tensor, visible: Tensor | None) -> Tensor:
    """Attention within each track: x and memory (B, N, T, C), visible (B, N, T)."""
    merged = None if visible is None else visible.flatten(0, 1)
    flat = x.flatten(0, 1)
    return attention(flat, flat if memory is x else memory.flatten(0, 1), merged).reshape(x.shape)


def _across_tracks(attention: Attention, x: Tensor, visible: Tensor) -> Tensor:
    """Attention within each frame."""
    by_frame = x.transpose(1, 2)
    flat = by_frame.flatten(0, 1)
    return attention(flat, flat, visible.transpose(1, 2).flatten(0, 1)).reshape(by_frame.shape).transpose(1, 2)


class TimeEncoderLayer(nn.Module):
    """Attention along time, then across tracks. Quirk: both with the same weights, but norms of their own."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        width = config.time_width
        self.self_attn = Attention(width, config.time_heads, config.dropout)
        self.linear1 = nn.Linear(width, config.time_hidden)
        self.linear2 = nn.Linear(config.time_hidden, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.norm3 = nn.LayerNorm(width) if config.across_tracks else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(_along_time(self.self_attn, x, x, visible)))
        if self.norm3 is not None:
            x = self.norm3(x + self.dropout(_across_tracks(self.self_attn, x, visible)))
        return self.norm2(x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class TimeDecoderLayer(nn.Module):
    """As the encoder's, then attention along time to what the encoder made. Quirk: that one is not masked."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        width = config.time_width
        self.self_attn = Attention(width, config.time_heads, config.dropout)
        self.multihead_attn = Attention(width, config.time_heads, config.dropout)
        self.linear1 = nn.Linear(width, config.time_hidden)
        self.linear2 = nn.Linear(config.time_hidden, width)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.norm4 = nn.LayerNorm(width) if config.across_tracks else None
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, memory: Tensor, visible: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(_along_time(self.self_attn, x, x, visible)))
        if self.norm4 is not None:
            x = self.norm4(x + self.dropout(_across_tracks(self.self_attn, x, visible)))
        x = self.norm2(x + self.dropout(_along_time(self.multihead_attn, x, memory, None)))
        return self.norm3(x + self.dropout(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class TimeEncoder(nn.Module):
    """The encoder's layers and their final norm."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TimeEncoderLayer(config) for _ in range(config.time_layers))
        self.norm = nn.LayerNorm(config.time_width)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, visible)
        return self.norm(x)


class TimeDecoder(nn.Module):
    """The decoder's layers and their final norm."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TimeDecoderLayer(config) for _ in range(config.time_layers))
        self.norm = nn.LayerNorm(config.time_width)

    def forward(self, x: Tensor, memory: Tensor, visible: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x, memory, visible)
        return self.norm(x)


class TimeTransformer(nn.Module):
    """Encoder and decoder over (B, N, T, 16); the same tokens are source and target."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        self.encoder = TimeEncoder(config)
        self.decoder = TimeDecoder(config)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        return self.decoder(x, self.encoder(x, visible), visible)


class TrajectoryEncoder(nn.Module):
    """16 numbers a track from what it does over time."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        width = config.time_width
        self.channels, self.sees_descriptors = config.channels, config.descriptors == "from_start"
        self.input_fc1 = nn.Conv2d(config.channels + self.sees_descriptors * config.descriptor_length, width, 1)
        self.fc2 = nn.Conv2d(width, width, 1)
        self.transformer_model = TimeTransformer(config)

    def forward(self, inputs: Tensor, hidden: Tensor, descriptors: Tensor) -> Tensor:
        """(B, N, 16) from (B, 88, N, T) inputs, (B, N, T) bool hidden and (B, N, 768) descriptors, which only "w/o MOE" looks at."""
        x = F.relu(self.fc2(F.relu(self._first(inputs, descriptors)))).permute(0, 2, 3, 1)
        visible = ~hidden
        never = ~visible.any(-1, keepdim=True)
        visible = torch.cat([visible[..., :1] | never, visible[..., 1:]], -1)
        return self.transformer_model(x, visible).amax(2)  # quirk: hidden frames take part in the maximum

    def _first(self, inputs: Tensor, descriptors: Tensor) -> Tensor:
        if not self.sees_descriptors:
            return self.input_fc1(inputs)
        # as if each frame had the descriptor joined to its inputs, without a copy of it for each frame
        own, weight = self.input_fc1.weight[:, : self.channels], self.input_fc1.weight[:, self.channels :, 0, 0]
        return F.conv2d(inputs, own, self.input_fc1.bias) + F.linear(descriptors, weight).transpose(1, 2)[..., None]


def _feed_forward(inputs: int, config: MotionNetConfig) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, config.track_hidden), nn.ReLU(), nn.Linear(config.track_hidden, config.track_width))


class TrackEncoderLayer(nn.Module):
    """Attention over tracks by their motion alone; descriptors join at the feed-forward, so that semantics stay decoupled."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        width = config.track_width
        self.sees_descriptors = config.descriptors in ("decoupled", "from_start")
        self.attention = Attention(width, config.track_heads, config.dropout)
        self.ffn = _feed_forward(width + self.sees_descriptors * config.descriptor_length, config)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, descriptors: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x)))
        joined = torch.cat([x, descriptors], -1) if self.sees_descriptors else x
        return self.norm2(x + self.dropout(self.ffn(joined)))


class TrackDecoderLayer(nn.Module):
    """Attention over tracks, then to what the encoder made."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        width = config.track_width
        self.self_attention = Attention(width, config.track_heads, config.dropout)
        self.cross_attention = Attention(width, config.track_heads, config.dropout)
        self.ffn = _feed_forward(width, config)
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(width) for _ in range(3))
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.self_attention(x, x)))
        x = self.norm2(x + self.dropout(self.cross_attention(x, memory)))
        return self.norm3(x + self.dropout(self.ffn(x)))


class Embedding(nn.Module):
    """One linear layer, in a module of its own because the weights are named so."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.embedding(x)


class TrackClassifier(nn.Module):
    """One logit a track from all tracks of the clip together."""

    def __init__(self, config: MotionNetConfig) -> None:
        super().__init__()
        self.joins_descriptors = config.descriptors == "joined"
        self.embedding = Embedding(config.time_width + self.joins_descriptors * config.descriptor_length, config.track_width)
        self.encoders = nn.ModuleList(TrackEncoderLayer(config) for _ in range(config.track_layers))
        self.decoders = nn.ModuleList(TrackDecoderLayer(config) for _ in range(config.track_layers))
        self.output_layer = nn.Linear(config.track_width, 1)

    def forward(self, trajectories: Tensor, descriptors: Tensor) -> Tensor:
        """(B, N) from (B, N, 16) and (B, N, 768)."""
        start = memory = self.embedding(torch.cat([trajectories, descriptors], -1) if self.joins_descriptors else trajectories)
        for encoder in self.encoders:
            memory = encoder(memory, descriptors)
        x = start
        for decoder in self.decoders:
            x = decoder(x, memory)
        return self.output_layer(x)[..., 0]


class MotionNet(nn.Module):
    """Logits that tracks move."""

    def __init__(self, config: MotionNetConfig = PAPER) -> None:
        super().__init__()
        self.config = config
        self.decoder = TrackClassifier(config)
        self.joint_encoder = TrajectoryEncoder(config)

    def forward(self, inputs: Tensor, hidden: Tensor, descriptors: Tensor) -> Tensor:
        """Judge all tracks of a clip together.

        Args:
            inputs: (B, 88, N, T) from `encode_tracks`.
            hidden: (B, N, T) bool, where a track is not visible. A track hidden throughout counts as visible on its first frame.
            descriptors: (B, N, 768) what each track looks like.

        Returns:
            (B, N) logits; their sigmoid is the probability of motion.
        """
        return self.decoder(self.joint_encoder(inputs, hidden, descriptors), descriptors)


def load_motion_net(path: Path) -> MotionNet:
    """The network with the weights of `moseg.pth` or of a training (`.safetensors`), on the processor and ready to judge.

    Raises:
        WeightsError: the file is no such checkpoint.
    """
    weights, config = read_trained(path) if path.suffix == ".safetensors" else read_published(path)
    return fill(MotionNet(config), weights, path)


def read_published(path: Path) -> tuple[dict[str, Tensor], MotionNetConfig]:
    """Weights in the published format, and what network they are of: that of the paper, unless a note beside them tells another.

    Raises:
        WeightsError: the file is missing or damaged, or holds something else.
    """
    content: dict[str, Any] = read_weights(path, MotionNet.__name__)
    if STATE not in content:
        raise WeightsError(f"{path} holds no weights of {MotionNet.__name__}: it has no {STATE}. Fetch the file again.")
    return content[STATE], _noted_config(content[CONFIG_NOTE], path) if CONFIG_NOTE in content else PAPER


def read_trained(path: Path) -> tuple[dict[str, Tensor], MotionNetConfig]:
    """Weights of the motion network in a file of a training, and what network they are of.

    Raises:
        WeightsError: the file is missing or damaged, or of another network.
    """
    tensors, notes = read_tensors(path)
    if CONFIG_NOTE not in notes:
        raise WeightsError(f"{path} holds no weights of the motion network of the paper. Give a file that its training wrote.")
    for part in PARTS:
        found = {name[len(part) :]: value for name, value in tensors.items() if name.startswith(part)}
        if found:
            tensors = found
            break
    return tensors, _noted_config(notes[CONFIG_NOTE], path)


def _noted_config(note: str, path: Path) -> MotionNetConfig:
    try:
        return MotionNetConfig(**json.loads(note))
    except (TypeError, ValueError) as error:
        raise WeightsError(f"{path} is of another version of the motion network ({error}). Train again, or restore the file.") from error
