"""Training of the networks of the lite preset, on rendered scenes: what both have in common, and the first, which sees flow."""

from __future__ import annotations

import dataclasses
import json
import logging
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from segmo.errors import WeightsError
from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES
from segmo.networks.flow_net import FlowNet, widened
from segmo.networks.weights import read_tensors
from segmo.training.arguments import FlowArguments, FusionArguments
from segmo.training.batches import Batch, Records, Scenes, make_batch
from segmo.training.loss import Scorer, segmentation_loss
from segmo.training.shards import make_sample, render_shards, shard_paths
from segmo.training.task import Judgement, Task
from segmo.types import Steps
from segmo.zoo.lite_motion import WIDTHS_NOTE

log = logging.getLogger(__name__)


class LiteTask(Task[Batch]):
    """FlowNet on samples of rendered scenes; its averaged weights end in float16."""

    sees: ClassVar[tuple[int, int, int]]
    """Planes, errors and numbers of a frame."""
    outputs: ClassVar[int] = 1
    note: ClassVar[str]
    """Name of the note that the weights carry, with the network's widths."""

    def __init__(self, arguments: FlowArguments | FusionArguments) -> None:
        super().__init__()
        self.arguments: FlowArguments | FusionArguments = arguments
        self.recipe = repr(dataclasses.replace(arguments, output=Path(), check_every=1, threads=0))

    @abstractmethod
    def render(self, directory: Path, seed: int, count: int) -> Steps[Any]:
        """Render the missing shards of a data set."""

    @abstractmethod
    def opened(self, paths: Sequence[Path], count: int) -> Records:
        """Samples in shards."""

    def make_data(self) -> Steps[None]:
        """Render missing shards."""
        for name, seed, count in self._sets():
            directory = self.arguments.data.directory / name
            for fraction in self.render(directory, seed, count):
                log.info("%s: %.1f %% of the missing scenes are rendered.", directory, 100 * fraction)
                yield 0.0

    def open_data(self) -> str:
        """Map the shards into memory."""
        data = self.arguments.data
        self._held_out, self._scenes = (self.opened(shard_paths(data.directory / name, count), count) for name, _, count in self._sets())
        return f"{data.scenes} rendered scenes of seed {data.seed}, {data.held_out_scenes} of seed {data.held_out_seed} held out"

    def _sets(self) -> tuple[tuple[str, int, int], tuple[str, int, int]]:
        data = self.arguments.data
        return ("held_out", data.held_out_seed, data.held_out_scenes), ("train", data.seed, data.scenes)

    def new_model(self) -> nn.Module:
        """FlowNet, with the weights of an earlier run where one is named."""
        model = FlowNet(*self.sees, self.arguments.widths, self.outputs)
        if self.arguments.start_from is not None:
            floats = {name: value.float() for name, value in read_tensors(self.arguments.start_from)[0].items()}
            counters = {name: value for name, value in model.state_dict().items() if not value.is_floating_point()}  # of batches
            try:
                model.load_state_dict(widened(floats, model, self.sees[0]) | counters, strict=True)
            except RuntimeError as error:
                raise WeightsError(f"{self.arguments.start_from} does not fit this network: {error}. Give its own weights.") from error
        return model

    def new_optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """AdamW."""
        return torch.optim.AdamW(model.parameters(), self.arguments.learning_rate, weight_decay=self.arguments.weight_decay)

    def logits(self, model: nn.Module, part: Batch) -> Tensor:
        """(B, outputs, h, w), of which the first says what moves."""
        logits: Tensor = model(*(x.to(self.device) for x in (part.planes, part.error, part.scales)))
        return logits

    def loss(self, logits: Tensor, part: Batch) -> Tensor:
        """Cross entropy and Dice."""
        return segmentation_loss(logits[:, 0], part.moving.to(self.device), self.arguments.dice_weight, part.weight.to(self.device))

    def held_out(self, process: int, processes: int) -> Iterator[Batch]:
        """Batches of held-out scenes."""
        for number, batch in enumerate(self._held_out.in_order(self.arguments.batch)):
            if number % processes == process:
                yield batch

    def record(self, logits: Tensor, part: Batch) -> Scorer:
        """Scores of the batch."""
        scorer = Scorer()
        scorer.add(logits[:, 0], part.moving.to(self.device))
        return scorer

    def judge(self, records: Sequence[Scorer]) -> Judgement:
        """Means over all scenes."""
        together = Scorer()
        for record in records:
            together.include(record)
        return Judgement(together.scores(), {})

    def kept(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """In float16."""
        return {name: value.half() for name, value in weights.items() if value.is_floating_point()}

    def notes(self) -> dict[str, str]:
        """The widths."""
        return {self.note: json.dumps(self.arguments.widths)}


class FlowTask(LiteTask):
    """The first network."""

    sees = PLANES, len(GAPS), SCALES
    note = WIDTHS_NOTE
    arguments: FlowArguments
    _scenes: Scenes

    def render(self, directory: Path, seed: int, count: int) -> Steps[Any]:
        """A sample a scene."""
        return render_shards(directory, seed, count, self.arguments.data.kinds, self.arguments.data.workers, make_sample)

    def opened(self, paths: Sequence[Path], count: int) -> Scenes:
        """Scenes."""
        return Scenes(paths, count)

    def parts(self, turn: int) -> Sequence[Batch]:
        """One batch."""
        arguments = self.arguments
        return [make_batch(self._scenes, arguments.seed, turn, arguments.batch, arguments.augmentation)]
