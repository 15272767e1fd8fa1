"""Training of the motion network of the paper, on tracks of clips in the published folder layout."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from segmo.errors import DataError
from segmo.evaluation.track_scores import label_iou, precision_recall_curve, roc_curve
from segmo.networks.motion_net import CONFIG_NOTE, MotionNet, encode_looked_up
from segmo.training.arguments import MotionArguments
from segmo.training.clips import Clips, ClipSample, describe
from segmo.training.simulated import render_layout
from segmo.training.task import Judgement, Task
from segmo.types import Bool, Steps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MotionScores:
    """Scores over held-out clips."""

    iou: float
    """Mean over clips of the intersection over union of the labels at 0.7."""
    roc_area: float
    """Area under the receiver operating characteristic of all tracks together."""
    precision_recall_area: float
    """Average precision of all tracks together."""


@dataclass(frozen=True, eq=False)
class ClipRecord:
    """What was said of the tracks of a clip, and the truth."""

    probability: npt.NDArray[np.float32]
    """(N,)"""
    moving: Bool
    """(N,)"""


class MotionTask(Task[ClipSample]):
    """MotionNet."""

    def __init__(self, arguments: MotionArguments) -> None:
        super().__init__()
        self.arguments: MotionArguments = arguments
        neutral = dataclasses.replace(arguments, output=Path(), check_every=1, threads=0, device="auto")
        if arguments.schedule == "constant":  # then a run can go on for longer than was planned
            neutral = dataclasses.replace(neutral, iterations=1)
        self.recipe = repr(neutral)

    def make_data(self) -> Steps[None]:
        """Render simulated scenes where a source wants them."""
        for source in self.arguments.sources:
            if source.simulated:
                for fraction in render_layout(source.root, source.simulated):
                    log.info("%s: %.1f %% of the missing scenes are rendered.", source.root, 100 * fraction)
                    yield 0.0

    def open_data(self) -> str:
        """List scenes and query frames."""
        self._clips = Clips(self.arguments.sources, depth=self.arguments.model.depth)
        return "; ".join(
            f"{source.root}: {describe(scenes)}; held out: {describe(held_out)}"
            for source, scenes, held_out in zip(self.arguments.sources, self._clips.scenes, self._clips.held_out, strict=True)
        )

    def new_model(self) -> nn.Module:
        """MotionNet."""
        return MotionNet(self.arguments.model)

    def new_optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """Adam."""
        return torch.optim.Adam(model.parameters(), self.arguments.learning_rate, weight_decay=self.arguments.weight_decay)

    def learning_rate(self, iteration: int) -> float:
        """Constant after the warm-up, unless it is to fall."""
        arguments = self.arguments
        if arguments.schedule == "cosine":
            return super().learning_rate(iteration)
        return arguments.learning_rate * min(1.0, (iteration + 1) / max(1, arguments.warm_up))

    def parts(self, turn: int) -> list[ClipSample]:
        """Clips, each by itself, since they differ in length and number of tracks."""
        arguments = self.arguments
        positions = range(turn * arguments.batch, (turn + 1) * arguments.batch)
        return [self._clips.draw(arguments.seed, position, arguments.mirror) for position in positions]

    def logits(self, model: nn.Module, part: ClipSample) -> Tensor:
        """(N,)"""
        config, length = self.arguments.model, part.descriptors.shape[-1]
        if length != config.descriptor_length and config.descriptors != "none":
            raise DataError(
                f"The features have {length} channels, but the network takes {config.descriptor_length}. "
                f"Train with --set model.descriptor_length={length}, or prepare the features anew."
            )
        here = part.to(self.device)
        tracks = (here.xy[None], here.hidden[None], here.visibility[None], here.confidence[None], here.depth[None])
        logits: Tensor = model(encode_looked_up(*tracks, config), here.hidden[None], here.descriptors[None])
        return logits[0]

    def loss(self, logits: Tensor, part: ClipSample) -> Tensor:
        """Weighted cross entropy."""
        return motion_loss(logits, part.moving.to(self.device))

    def held_out(self, process: int, processes: int) -> Iterator[ClipSample]:
        """Held-out clips."""
        for index in range(process, self._clips.held_out_count, processes):
            yield self._clips.held_out_sample(index)

    def record(self, logits: Tensor, part: ClipSample) -> ClipRecord:
        """Probabilities and truth."""
        return ClipRecord(torch.sigmoid(logits).cpu().numpy(), part.moving.numpy() > 0.5)

    def judge(self, records: Sequence[ClipRecord]) -> Judgement:
        """IoU a clip, curves over all tracks."""
        probability = np.concatenate([np.zeros(0, np.float32), *(record.probability for record in records)])
        moving = np.concatenate([np.zeros(0, bool), *(record.moving for record in records)])
        roc, precision = roc_curve(probability, moving), precision_recall_curve(probability, moving)
        ious = [label_iou(record.probability, record.moving) for record in records]
        iou = sum(ious) / len(ious) if ious else float("nan")
        return Judgement(MotionScores(iou, roc.area, precision.area), {"roc": roc, "precision_recall": precision})

    def kept(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As they are."""
        return dict(weights)

    def notes(self) -> dict[str, str]:
        """The network's configuration."""
        return {CONFIG_NOTE: json.dumps(dataclasses.asdict(self.arguments.model))}


def motion_loss(logits: Tensor, moving: Tensor) -> Tensor:
    """Binary cross-entropy of (N,) logits against (N,) truth; moving tracks weigh static / moving, so that both weigh the same together."""
    count = moving.sum()
    static = len(moving) - count
    weight = torch.where((count > 0) & (static > 0), static / count.clamp(min=1), torch.ones_like(count))
    return F.binary_cross_entropy_with_logits(logits, moving, pos_weight=weight)
