"""Which files the archive of a result holds, as the visitor chooses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from segmo.errors import DataError
from segmo.ui import delivery, handlers, panels, text
from segmo.ui.events import QUIET, Page
from segmo.ui.panels import Updates
from segmo.ui.results import find_result


def choose_contents(result: str, contents: Sequence[str]) -> Iterator[Updates]:
    """Pack what is chosen; until that is done, nothing can be downloaded that was not."""
    yield {"archive": gr.update(interactive=False)}
    directory = find_result(result)
    try:
        if directory is None:
            raise DataError(f"{text.GONE_TITLE} {text.GONE}")
        if not contents:
            yield {"files_note": panels.message("info", "", text.NO_CONTENTS)}
            return
        shown = panels.show("files", delivery.pack(directory, contents), directory)
    except Exception as error:
        yield {"files_note": handlers.problem(error)}
        return
    del shown["contents"]  # the visitor may have gone on choosing
    yield shown


def connect_packing(page: Page) -> None:
    """Bind a choice to its handler."""
    parts = page.parts
    outputs = [parts[name] for name in ("archive", "files", "files_note")]

    def on_choice(result: str, contents: list[str]) -> Iterator[dict[Any, Any]]:
        for updates in choose_contents(result, contents):
            yield page.named(updates)

    parts["contents"].input(on_choice, [parts["shown"], parts["contents"]], outputs, trigger_mode="always_last", **QUIET)
