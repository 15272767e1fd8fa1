"""`python -m segmo clean DATA`: a data folder that takes less disk space."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `clean`."""
    parser = subparsers.add_parser(
        "clean",
        help="compress the features of a data folder, and remove remains",
        description="Turn features into compressed HDF5, which training reads as well, and remove what stopped writers left behind. "
        "A file goes only after its copy was read back and found equal; images, masks, depth and tracks are never touched.",
    )
    parser.add_argument("data", type=Path, metavar="DATA", help="folder in the layout of the published code")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    parser.add_argument("--workers", type=int, default=2, metavar="N", help="files at a time (default: 2)")


def run(args: argparse.Namespace) -> int:
    """Clean, and say what was done; returns 1 if a file had to be kept."""
    import sys

    from segmo.cli.main import DONE, FAILED
    from segmo.cli.progress import counted, run_with_bar
    from segmo.datasets.clean import clean
    from segmo.datasets.layout import open_layout

    done = run_with_bar("Files", clean(open_layout(args.data), dry_run=args.dry_run, workers=max(1, args.workers)))
    if args.dry_run:
        for path in (*done.compressed, *done.removed):
            print(path)
        what = f"Would compress {counted(len(done.compressed), 'file')} of features and remove {len(done.removed)} remains"
        print(f"{what}, {done.bytes_before / 1e6:.1f} MB together. Nothing was changed.")
        return DONE
    for message in done.kept:
        print(f"segmo: {message}", file=sys.stderr)
    sizes = f"{done.bytes_before / 1e6:.1f} MB became {done.bytes_after / 1e6:.1f} MB"
    print(f"Compressed {counted(len(done.compressed), 'file')} of features and removed {len(done.removed)} remains: {sizes}.")
    return FAILED if done.kept else DONE
