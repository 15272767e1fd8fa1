"""`python -m tests.parity DIR`: our models and rules against reference data; exit code 1 where a deviation exceeds its tolerance."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .packs import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.parity", description="Check every pack of reference data below a directory.")
    parser.add_argument("directory", type=Path, help="a directory with packs, at any depth")
    parser.add_argument("--device", default="cpu", help="where the networks compute, in float32 throughout: cpu (the default), cuda, mps")
    options = parser.parse_args()
    try:
        return 0 if run(options.directory, lambda line: sys.stdout.write(line + "\n"), options.device) else 1
    except FileNotFoundError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
