"""The training loop: render what is missing, go through the batches, score, keep checkpoints and a log."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES
from segmo.networks.flow_net import FlowNet
from segmo.training.arguments import DataArguments, TrainArguments
from segmo.training.batches import Batch, Scenes, batches
from segmo.training.checkpoint import load_checkpoint, save_checkpoint, write_tensors
from segmo.training.loss import Scorer, Scores, segmentation_loss
from segmo.training.shards import render_shards
from segmo.types import Steps

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """What a run ends with."""

    weights: Path
    scores: Scores


def train(arguments: TrainArguments, *, resume: bool = False) -> Steps[TrainResult]:
    """Train FlowNet; its averaged weights end in `weights.safetensors` of the output folder, in float16.

    Raises:
        DataError: the folder of scenes holds others, or cannot be written.
        WeightsError: `resume` finds no checkpoint of this configuration.
        OutputError: the output folder cannot be written.
    """
    data = arguments.data
    held_out = yield from _scenes(data.directory / "held_out", data.held_out_seed, data.held_out_scenes, data)
    scenes = yield from _scenes(data.directory / "train", data.seed, data.scenes, data)
    run = _Run(arguments, resume)
    scores = Scores(math.nan, math.nan)
    losses: list[float] = []
    started = time.perf_counter()
    todo = range(run.iteration, arguments.iterations)
    for batch in batches(scenes, arguments.seed, todo, arguments.batch, arguments.augmentation):
        losses.append(run.step(batch))
        yield run.iteration / arguments.iterations
        if run.iteration % arguments.check_every == 0 or run.iteration == arguments.iterations:
            scores = run.score(held_out)
            run.keep(scores, sum(losses) / len(losses), time.perf_counter() - started)
            losses.clear()
    return TrainResult(run.write_weights(), scores)


def _scenes(directory: Path, seed: int, count: int, data: DataArguments) -> Steps[Scenes]:
    """The scenes of a data set, rendered now where they are missing."""
    steps = render_shards(directory, seed, count, data.kinds, data.workers)
    while True:
        try:
            fraction = next(steps)
        except StopIteration as stop:
            return Scenes(stop.value, count)
        log.info("%s: %.1f %% of the missing scenes are rendered.", directory, 100 * fraction)
        yield 0.0


class _Run:
    """Model, optimiser and how far they are."""

    def __init__(self, arguments: TrainArguments, resume: bool) -> None:
        if arguments.threads:
            torch.set_num_threads(arguments.threads)
        self.arguments, self.iteration = arguments, 0
        self.device = torch.device(arguments.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(arguments.seed)
            self.model: nn.Module = FlowNet(PLANES, len(GAPS), SCALES, arguments.widths)
        self.model.to(self.device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False)
        self.optimiser = torch.optim.AdamW(self.model.parameters(), arguments.learning_rate, weight_decay=arguments.weight_decay)
        self.checkpoint = arguments.output / "checkpoint.safetensors"
        self.recipe = repr(dataclasses.replace(arguments, output=Path(), check_every=1, threads=0))
        if resume:
            self.iteration = load_checkpoint(self.checkpoint, self.model, self.average, self.optimiser, self.recipe)

    def step(self, batch: Batch) -> float:
        """One iteration; its loss."""
        arguments = self.arguments
        warm = min(1.0, (self.iteration + 1) / max(1, arguments.warm_up))
        rate = arguments.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * self.iteration / arguments.iterations))
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.model.train()
        loss = segmentation_loss(self._logits(self.model, batch), batch.moving.to(self.device), arguments.dice_weight)
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.model.parameters(), arguments.largest_gradient)
        self.optimiser.step()
        self.iteration += 1
        self._update_average()
        return float(loss.detach())

    def _logits(self, model: nn.Module, batch: Batch) -> torch.Tensor:
        inputs = [x.to(self.device) for x in (batch.planes, batch.error, batch.scales)]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.arguments.precision == "bfloat16"):
            return model(*inputs).float()

    def _update_average(self) -> None:
        decay = min(self.arguments.average_decay, self.iteration / (self.iteration + 10))
        with torch.no_grad():
            for kept, now in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(now, 1 - decay)
                else:
                    kept.copy_(now)

    def score(self, held_out: Scenes) -> Scores:
        """Scores of the averaged weights."""
        scorer = Scorer()
        with torch.inference_mode():
            for batch in held_out.in_order(self.arguments.batch):
                scorer.add(self._logits(self.average, batch), batch.moving.to(self.device))
        return scorer.scores()

    def keep(self, scores: Scores, loss: float, seconds: float) -> None:
        """Write a checkpoint and a line of the log, which also keeps what did not help."""
        save_checkpoint(self.checkpoint, self.model, self.average, self.optimiser, self.iteration, self.recipe)
        line = {"iteration": self.iteration, "loss": round(loss, 4), **dataclasses.asdict(scores), "seconds": round(seconds, 1)}
        with (self.arguments.output / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        log.info("%s", line)

    def write_weights(self) -> Path:
        """Write the averaged weights in float16."""
        path = self.arguments.output / "weights.safetensors"
        floats = {name: value.half() for name, value in self.average.state_dict().items() if value.is_floating_point()}
        write_tensors(path, floats, {"widths": json.dumps(self.arguments.widths)})
        return path
