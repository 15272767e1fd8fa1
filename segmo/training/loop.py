"""The one training loop: make the data, go through it in one or several processes, score, keep checkpoints and a log.

Everything random follows from the seed and the position in the run. So a run that was stopped goes on as if it had not been, and two
processes do what one does with twice the batch.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from segmo.errors import SettingsError
from segmo.files import write_bytes
from segmo.training.arguments import FlowArguments, FusionArguments, MotionArguments, resolved
from segmo.training.checkpoint import State, code_version, load_checkpoint, save_checkpoint, write_tensors
from segmo.training.flow_task import FlowTask
from segmo.training.fusion_task import FusionTask
from segmo.training.monitor import Monitor
from segmo.training.motion_task import MotionTask
from segmo.training.processes import start, stop
from segmo.training.task import Judgement, Task
from segmo.types import Steps

if TYPE_CHECKING:
    from accelerate import Accelerator

log = logging.getLogger(__name__)
Made = TypeVar("Made")
CHECKPOINT, BEST, WEIGHTS, CONFIG, LOG = "checkpoint.safetensors", "best.safetensors", "weights.safetensors", "config.yaml", "log.jsonl"
"""Files of a run's folder: the last state, with all it needs to go on; the weights with the best score; the weights at the end; the
resolved configuration; losses and scores."""


@dataclass(frozen=True)
class TrainResult:
    """What a run ends with."""

    weights: Path
    scores: Any
    """Of the final weights: see `task.Judgement`."""


def train(arguments: FlowArguments | FusionArguments | MotionArguments, *, resume: bool = False) -> Steps[TrainResult]:
    """Train a network; its folder then has the files named above.

    Raises:
        DataError: data is missing or damaged, or cannot be written.
        SettingsError: the folder holds a run that is not to go on, or the loss is no longer a number.
        WeightsError: `resume` finds no checkpoint of this configuration.
        OutputError: the output folder cannot be written.
        DeviceError: the device is absent, or lacks the precision.
    """
    if not resume:
        _refuse_to_overwrite(arguments.output)
    task = _task(arguments)
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    accelerator = start(arguments.device, arguments.precision, arguments.output)
    try:
        if accelerator.is_main_process:
            yield from task.make_data()
        accelerator.wait_for_everyone()
        run = _Run(task, accelerator, resume)
        judgement, losses, started = None, list[float](), time.perf_counter()
        for parts in ahead(run.parts, range(run.iteration, arguments.iterations)):
            losses.append(run.step(parts))
            yield run.iteration / arguments.iterations
            if run.iteration % arguments.check_every == 0 or run.iteration == arguments.iterations:
                judgement = run.score()
                run.keep(judgement, sum(losses) / len(losses), time.perf_counter() - started)
                losses.clear()
        return TrainResult(run.write_weights(), (judgement or run.score()).scores)
    finally:
        stop(accelerator)


def _refuse_to_overwrite(output: Path) -> None:
    found = [name for name in (CHECKPOINT, BEST, WEIGHTS) if (output / name).exists()]
    if found:
        advice = "Give --resume to go on with it, another folder (--set output=...), or delete this one"
        raise SettingsError(f"{output} holds a run already ({', '.join(found)}). {advice}.")


def _task(arguments: FlowArguments | FusionArguments | MotionArguments) -> Task[Any]:
    if isinstance(arguments, MotionArguments):
        return MotionTask(arguments)
    return FusionTask(arguments) if isinstance(arguments, FusionArguments) else FlowTask(arguments)


def ahead(make: Callable[[int], Made], numbers: range) -> Iterator[Made]:
    """What `make` makes of the numbers in order, each made while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        following = None
        for number in numbers:
            ready = following or pool.submit(make, number)
            following = pool.submit(make, number + 1) if number + 1 in numbers else None
            yield ready.result()


class _Run:
    """Model, optimiser and how far they are."""

    def __init__(self, task: Task[Any], accelerator: Accelerator, resume: bool) -> None:
        self.task, self.accelerator, self.arguments = task, accelerator, task.arguments
        self.rank, self.world = accelerator.process_index, accelerator.num_processes
        task.device = accelerator.device
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.arguments.seed)
            self.model = task.new_model().to(task.device)
        self.average = copy.deepcopy(self.model).eval().requires_grad_(False) if self.arguments.average_decay else None
        self.optimiser = task.new_optimiser(self.model)
        self.state = State(self.model, self.average, self.optimiser, accelerator.scaler)
        self.checkpoint = self.arguments.output / CHECKPOINT
        self.recipe = task.recipe + (f" in {self.world} processes" if self.world > 1 else "")
        self.notes = {"config": resolved(self.arguments), "data": task.open_data(), "code": code_version(), **task.notes()}
        self.iteration, self.best = load_checkpoint(self.checkpoint, self.state, self.recipe) if resume else (0, -math.inf)
        self.prepared, self.stepper = accelerator.prepare(self.model, self.optimiser)
        if accelerator.is_main_process:
            write_bytes(self.arguments.output / CONFIG, self.notes["config"].encode())
        self.monitor = Monitor(accelerator, self.arguments.output, self.notes, self.iteration)

    def parts(self, iteration: int) -> list[Any]:
        """What this process sees in an iteration."""
        return list(self.task.parts(iteration * self.world + self.rank))

    def step(self, parts: list[Any]) -> float:
        """One iteration; its loss, a mean over all processes."""
        rate = self.task.learning_rate(self.iteration)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.prepared.train()
        self.stepper.zero_grad()
        loss = torch.zeros((), device=self.task.device)
        first = (self.iteration * self.world + self.rank) * len(parts)
        for position, part in enumerate(parts, start=first):
            loss += self._backward(part, position, position + 1 == first + len(parts), len(parts))
        if self.arguments.largest_gradient:
            self.accelerator.clip_grad_norm_(self.prepared.parameters(), self.arguments.largest_gradient)
        self.stepper.step()
        self.iteration += 1
        self._update_average()
        value = float(self.accelerator.reduce(loss, "mean"))
        if not math.isfinite(value):
            raise SettingsError(f"The loss of iteration {self.iteration} is {value}. Lower learning_rate, or limit largest_gradient.")
        self.monitor.step(self.iteration, value, rate)
        return value

    def _backward(self, part: Any, position: int, last: bool, count: int) -> Tensor:
        """Add the gradient of one part; processes exchange gradients at the last one only."""
        seed = int(np.random.SeedSequence([self.arguments.seed, position, 0xD0]).generate_state(1, np.uint64)[0])
        devices = [self.task.device] if self.task.device.type == "cuda" else []
        with torch.random.fork_rng(devices), contextlib.nullcontext() if last else self.accelerator.no_sync(self.prepared):
            torch.manual_seed(seed)  # dropout depends on the position alone
            loss = self.task.loss(self.task.logits(self.prepared, part).float(), part) / count
            self.accelerator.backward(loss)
        return loss.detach()

    def _update_average(self) -> None:
        if self.average is None:
            return
        decay = min(self.arguments.average_decay, self.iteration / (self.iteration + 10))
        with torch.no_grad():
            for kept, now in zip(self.average.state_dict().values(), self.model.state_dict().values(), strict=True):
                if kept.is_floating_point():
                    kept.lerp_(now, 1 - decay)
                else:
                    kept.copy_(now)

    @property
    def judged(self) -> nn.Module:
        """The network that is scored and kept."""
        return self.average if self.average is not None else self.model

    def score(self) -> Judgement:
        """Scores on held-out data, which the processes share among them."""
        from accelerate.utils import gather_object

        model = self.judged.eval()
        with torch.inference_mode(), self.accelerator.autocast():
            held_out = self.task.held_out(self.rank, self.world)
            records = [self.task.record(self.task.logits(model, part).float(), part) for part in held_out]
        return self.task.judge(gather_object(records))

    def keep(self, judgement: Judgement, loss: float, seconds: float) -> None:
        """Write checkpoints and a line of the log, which also keeps what did not help."""
        if not self.accelerator.is_main_process:
            return
        if judgement.scores.iou > self.best:
            self.best = judgement.scores.iou
            self._write(BEST, {"iteration": str(self.iteration), "scores": json.dumps(dataclasses.asdict(judgement.scores))})
        save_checkpoint(self.checkpoint, self.state, self.iteration, self.best, {"recipe": self.recipe, **self.notes})
        line = {"iteration": self.iteration, "loss": round(loss, 4), **dataclasses.asdict(judgement.scores), "seconds": round(seconds, 1)}
        with (self.arguments.output / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        self.monitor.scores(self.iteration, judgement)
        log.info("%s", line)

    def write_weights(self) -> Path:
        """Write the final weights."""
        if self.accelerator.is_main_process:
            self._write(WEIGHTS, {"iteration": str(self.iteration)})
        return self.arguments.output / WEIGHTS

    def _write(self, name: str, notes: dict[str, str]) -> None:
        write_tensors(self.arguments.output / name, self.task.kept(self.judged.state_dict()), {**notes, **self.notes})
