"""What differs between the networks that the one loop trains: model, data, loss and scores."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from segmo.evaluation.track_scores import Curve
from segmo.training.arguments import FlowArguments, FusionArguments, MotionArguments
from segmo.types import Steps

Part = TypeVar("Part")
"""What goes through the network at once."""


@dataclass(frozen=True)
class Judgement:
    """Scores on held-out data, and curves to draw."""

    scores: Any
    """A dataclass of numbers, of which `iou` tells which weights are best: larger is better, NaN where nothing could be compared."""
    curves: Mapping[str, Curve]


class Task(ABC, Generic[Part]):
    """A network and what it is trained on; `device` is set by the loop before any tensor is made."""

    arguments: FlowArguments | FusionArguments | MotionArguments
    recipe: str
    """All that the weights depend on, as text; a run is only resumed with the same."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")

    @abstractmethod
    def make_data(self) -> Steps[None]:
        """Render what is missing. Only one process does it."""

    @abstractmethod
    def open_data(self) -> str:
        """Get ready to read, and say what the data is."""

    @abstractmethod
    def new_model(self) -> nn.Module:
        """The network with random weights."""

    @abstractmethod
    def new_optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """The optimiser of its parameters."""

    @abstractmethod
    def parts(self, turn: int) -> Sequence[Part]:
        """What one process goes through in one iteration; `turn` counts iterations times processes."""

    @abstractmethod
    def logits(self, model: nn.Module, part: Part) -> Tensor:
        """What the network says."""

    @abstractmethod
    def loss(self, logits: Tensor, part: Part) -> Tensor:
        """What is to be lowered."""

    @abstractmethod
    def held_out(self, process: int, processes: int) -> Any:
        """Iterator of the parts of held-out data that one of several processes judges."""

    @abstractmethod
    def record(self, logits: Tensor, part: Part) -> Any:
        """What the scores need to know about a part."""

    @abstractmethod
    def judge(self, records: Sequence[Any]) -> Judgement:
        """Scores from the records of all parts."""

    @abstractmethod
    def kept(self, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Tensors of a file of weights as others read it."""

    @abstractmethod
    def notes(self) -> dict[str, str]:
        """Notes that say what network they are of."""

    def learning_rate(self, iteration: int) -> float:
        """Rises for a while, then falls as a half cosine."""
        arguments = self.arguments
        warm = min(1.0, (iteration + 1) / max(1, arguments.warm_up))
        fall = 0.5 * (1 + math.cos(math.pi * iteration / arguments.iterations))
        return arguments.learning_rate * warm * fall
