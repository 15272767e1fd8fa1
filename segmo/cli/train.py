"""`python -m segmo train CONFIG.yaml`: train one of our own networks."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `train`."""
    parser = subparsers.add_parser("train", help="train a network on rendered scenes, which are rendered first")
    parser.add_argument("config", type=Path, metavar="CONFIG", help="a YAML file such as segmo/training/configs/lite.yaml")
    parser.add_argument("--resume", action="store_true", help="go on from the checkpoint in the output folder")


def run(args: argparse.Namespace) -> int:
    """Train, and say where the weights are."""
    import logging

    from rich.progress import Progress

    from segmo.training.arguments import read_arguments
    from segmo.training.loop import train

    arguments = read_arguments(args.config)
    logging.getLogger("segmo.training").setLevel(logging.INFO)
    steps = train(arguments, resume=args.resume)
    with Progress() as progress:
        task = progress.add_task("Training", total=1.0)
        while True:
            try:
                progress.update(task, completed=next(steps))
            except StopIteration as stop:
                result = stop.value
                break
    print(f"{result.weights}: IoU {result.scores.iou:.3f} on held-out scenes.")
    return 0
