"""A clip from the visitor's webcam: what was recorded takes the place of an upload, and is checked as one."""

from __future__ import annotations

from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from segmo.ui import handlers, text
from segmo.ui.events import QUIET, Page
from segmo.ui.panels import Updates

CONSTRAINTS = {"video": {"width": {"ideal": 1280}, "height": {"ideal": 720}}}


def place_webcam() -> gr.Video:
    """Place the recorder where the layout is being built.

    It must be no output of any event: gradio then makes the component anew, for the session, and what is replaced here is lost.
    """
    options = gr.WebcamOptions(mirror=False, constraints=CONSTRAINTS)
    with gr.Accordion(text.WEBCAM_TITLE, open=False, elem_id="webcam-panel"):
        webcam = gr.Video(sources=["webcam"], webcam_options=options, include_audio=False, show_label=False, elem_id="webcam")
    webcam.preprocess = _as_recorded  # gradio would call ffmpeg, which need not be installed
    return webcam


def _as_recorded(payload: FileData | None) -> str | None:
    """The path of the recording, which has no sound, as the browser made it."""
    return payload.path if payload else None


def record(recording: str | None, values: dict[str, Any]) -> Updates:
    """Treat a recording as if it had been dropped."""
    if recording is None:
        return {"upload": gr.update()}
    return {"upload": recording, **handlers.drop(recording, values)}


def connect_webcam(page: Page, webcam: gr.Video) -> Any:
    """Bind the end of a recording to its handler, and return that event."""

    def on_recorded(recording: str | None, *inputs: Any) -> dict[Any, Any]:
        return page.named(record(recording, page.values(inputs)))

    everything = list(page.all.values())
    return webcam.stop_recording(on_recorded, [webcam, *page.controls.values()], everything, concurrency_limit=None, **QUIET)
