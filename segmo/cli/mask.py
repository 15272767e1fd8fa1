"""`python -m segmo mask DATA`: masks of what moves in a labelled data folder."""

from __future__ import annotations

import argparse

from segmo.cli.label import add_step_flags, run_step


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `mask`."""
    parser = subparsers.add_parser(
        "mask",
        help="draw the masks of a labelled data folder",
        description="Draw masks around the moving tracks of every scene that was labelled. Writes what `run` writes to OUT/<scene>.",
    )
    add_step_flags(parser, ("preset", "models", "masks"))


def run(args: argparse.Namespace) -> int:
    """Mask, and say what was done; returns 2 if a scene failed."""
    return run_step(args, "mask")
