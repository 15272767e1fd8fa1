"""`python -m segmo label DATA`: which tracks of a prepared data folder move."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from pathlib import Path

from segmo.cli.options import add_setting_flags, settings_from


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `label`."""
    parser = subparsers.add_parser(
        "label",
        help="judge which tracks of a prepared data folder move",
        description="Judge which tracks move in every scene that `prepare` went through. Writes OUT/<scene>/labels.npz for `mask`.",
    )
    add_step_flags(parser, ("preset", "models", "tracks", "motion"))


def add_step_flags(parser: argparse.ArgumentParser, settings: Collection[str]) -> None:
    """Add what `label` and `mask` have in common."""
    parser.add_argument("data", type=Path, metavar="DATA", help="folder in the layout of the published code")
    parser.add_argument("--out", type=Path, metavar="OUT", help="folder of the results (default: DATA/results)")
    parser.add_argument("--gpus", type=int, nargs="+", default=[], metavar="N", help="a process for each of these GPUs")
    add_setting_flags(parser, only=settings)


def run(args: argparse.Namespace) -> int:
    """Label, and say what was done; returns 2 if a scene failed."""
    return run_step(args, "label")


def run_step(args: argparse.Namespace, step: str) -> int:
    """Run `label` or `mask`."""
    settings = settings_from(args)  # wrong settings end here, before anything heavy is imported

    from segmo.cli.prepare import tell
    from segmo.cli.progress import run_with_bar
    from segmo.datasets import label
    from segmo.datasets.layout import open_layout
    from segmo.zoo.presets import models_of
    from segmo.zoo.store import ModelStore

    layout, store, out = open_layout(args.data), ModelStore(args.device), args.out or args.data / "results"
    role = {"label": "motion", "mask": "masks"}[step]
    run_with_bar("Weights", store.fetch([(role, models_of(settings)[role])]))
    work = {"label": label.label, "mask": label.mask}[step]
    return tell(run_with_bar("Scenes", work(layout, out, settings, gpus=args.gpus, store=store)), f"with {step}s in {out}")
