"""From the command line to a running server."""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any

import gradio as gr

from segmo.device import SWITCH_INTERVAL_S
from segmo.errors import SettingsError
from segmo.settings import PRESETS
from segmo.ui import theme
from segmo.ui.examples import DIRECTORY, find_examples
from segmo.ui.layout import build_app
from segmo.ui.limits import limits_from
from segmo.ui.results import results_directory, uploads_directory
from segmo.zoo.store import default_preset

SESSIONS = 2000
"""Pages that gradio remembers, the latest: it keeps half a megabyte for each, however long ago that was closed."""


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The options of `app.py`."""
    parser = argparse.ArgumentParser(prog="app.py", description="Open the segmo app in a browser.", allow_abbrev=False)
    parser.add_argument("--share", action="store_true", help="also make a public link, through Gradio's servers")
    parser.add_argument("--host", default=None, help="address to listen on (default: this computer only; 0.0.0.0: everybody)")
    parser.add_argument("--port", type=int, default=None, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument("--preset", choices=PRESETS, help="preset that the page starts with (default: the best that can run here)")
    parser.add_argument("--mcp", action="store_true", help="also serve the tool segment_motion to language models, at /gradio_api/mcp/")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> None:
    """Build the app and serve it until it is stopped; what keeps it from starting ends the process with a sentence."""
    options = parse(argv)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if options.mcp and importlib.util.find_spec("mcp") is None:
        sys.exit("segmo: --mcp needs the package mcp. Install it with: pip install 'gradio[mcp]'")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        limits = limits_from()
        results_directory().mkdir(parents=True, exist_ok=True)
    except SettingsError as error:
        sys.exit(f"segmo: {error}")
    except OSError as error:
        sys.exit(f"segmo: {results_directory()} cannot be written ({error.strerror}). Set SEGMO_CACHE to a folder that can.")
    os.environ.setdefault("GRADIO_TEMP_DIR", str(uploads_directory()))
    gr.set_static_paths([DIRECTORY, results_directory()])  # served in place, not copied
    preset, reason = (options.preset, "") if options.preset else default_preset()
    app = build_app(preset, find_examples(), limits, reason)
    app.queue(max_size=limits.queue)
    app.launch(
        share=options.share, server_name=options.host, server_port=options.port, mcp_server=options.mcp, **launch_options(limits.upload_mb)
    )


def launch_options(upload_mb: int) -> dict[str, Any]:
    """How the app is served: its looks, and nothing that calls home or keeps a visitor's runs."""
    return {
        "theme": theme.build_theme(),
        "css_paths": theme.STYLE_SHEET,
        "favicon_path": theme.ICON,
        "head": f"<script>{theme.SCRIPT.read_text(encoding='utf-8')}</script>",
        "allowed_paths": [str(results_directory())],
        "max_file_size": f"{upload_mb}mb",
        "state_session_capacity": SESSIONS,
        "show_error": True,
        "ssr_mode": False,
        "run_history": False,
        "enable_monitoring": False,
        "footer_links": ["api"],
    }
