"""`python -m segmo`."""

from __future__ import annotations

import sys

from segmo.cli.main import main
from segmo.device import SWITCH_INTERVAL_S

if __name__ == "__main__":
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    sys.exit(main())
