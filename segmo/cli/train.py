"""`python -m segmo train CONFIG.yaml`: train one of our own networks, or that of the paper."""

from __future__ import annotations

import argparse
from pathlib import Path

_DESCRIPTION = (
    """Trains the motion network of the paper, or that of the lite preset. `accelerate launch -m segmo train CONFIG` uses several GPUs."""
)


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train`."""
    parser = subparsers.add_parser("train", help="train a motion network", description=_DESCRIPTION)
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file such as segmo/training/configs/paper.yaml")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder, which else must hold no run")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        dest="changes",
        metavar="KEY=VALUE",
        help="another value than the file's, as in learning_rate=2e-4 or sources.0.root=data/kubric; can be repeated",
    )


def run(args: argparse.Namespace) -> int:
    """Train, and say where the weights are."""
    import logging
    import os

    from rich.progress import Progress

    from segmo.training.arguments import read_arguments
    from segmo.training.loop import train

    arguments = read_arguments(args.config, args.changes)
    first = os.environ.get("RANK", "0") == "0"  # set by `accelerate launch`
    logging.getLogger("segmo.training").setLevel(logging.INFO if first else logging.WARNING)
    steps = train(arguments, resume=args.resume)
    with Progress(disable=not first) as progress:
        task = progress.add_task("Training", total=1.0)
        while True:
            try:
                progress.update(task, completed=next(steps))
            except StopIteration as stop:
                result = stop.value
                break
    if first:
        print(f"{result.weights}: IoU {result.scores.iou:.3f} on held-out data.")
    return 0
