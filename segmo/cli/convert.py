"""`python -m segmo convert SOURCE TARGET`: weights of the motion network from and to the published format."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `convert`."""
    parser = subparsers.add_parser(
        "convert",
        help="turn trained weights of the motion network into the published .pth format, or back",
        description="Turns weights or a checkpoint that `train` wrote (.safetensors) into the published format (.pth), or back.",
    )
    parser.add_argument("source", type=Path, metavar="SOURCE", help="best.safetensors or checkpoint.safetensors of a run, or moseg.pth")
    parser.add_argument("target", type=Path, metavar="TARGET", help="file to write, with the other ending")


def run(args: argparse.Namespace) -> int:
    """Convert, and say what was written."""
    from segmo.training.convert import convert

    count = convert(args.source, args.target)
    print(f"{args.target}: {count:,} parameters.")
    return 0
