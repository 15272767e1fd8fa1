"""`python -m segmo run CLIP...`: masks, videos and data of everything that moves."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `run`."""
    parser = subparsers.add_parser("run", help="segment what moves in clips")
    parser.add_argument("clips", nargs="+", type=Path, metavar="CLIP", help="a video file or a folder of images")


def run(args: argparse.Namespace) -> int:
    """Segment every clip."""
    raise NotImplementedError
