"""`python -m segmo`."""

from __future__ import annotations

import sys

from segmo.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
