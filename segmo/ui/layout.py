"""The page: where everything is, and which handler answers to what."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr

from segmo.ui import handlers, panels, text
from segmo.ui.api import add_api
from segmo.ui.controls import build_controls
from segmo.ui.correcting import connect_correcting, place_correcting
from segmo.ui.events import Components, Page, connect, connect_examples
from segmo.ui.examples import Example
from segmo.ui.limits import Limits
from segmo.ui.packing import connect_packing
from segmo.ui.panels import Updates
from segmo.ui.webcam import connect_webcam, place_webcam

VIDEO_TYPES = ["video", ".mp4", ".mov", ".webm", ".mkv", ".avi", ".m4v", ".mpg", ".gif", ".webp"]


def build_app(preset: str, examples: Mapping[str, Example], limits: Limits, reason: str = "") -> gr.Blocks:
    """The whole app, with the first example's finished result on it; it starts with a preset, for a reason that it tells."""
    hour = 3600
    with gr.Blocks(title=text.TITLE, analytics_enabled=False, delete_cache=(hour, limits.keep_hours * hour), fill_width=True) as app:
        first = next(iter(examples.values()), None)
        start = handlers.open_result(first.result) if first else panels.clear()
        gr.HTML(text.masthead(), elem_id="masthead")
        with gr.Row(elem_id="page"):
            with gr.Column(elem_id="panel-column"):
                parts, controls = _build_panel(preset, reason, examples, limits)
            with gr.Column(elem_id="result-column"):
                parts |= _build_result(start)
        webcam = parts.pop("webcam")
        page = Page(app, parts, controls, examples, limits)
        earlier = [*connect(page), connect_correcting(page), *connect_packing(page), connect_webcam(page, webcam)]
        connect_examples(page, earlier)
        add_api(controls, limits, VIDEO_TYPES)
    return app


def _build_panel(preset: str, reason: str, examples: Mapping[str, Example], limits: Limits) -> tuple[Components, Components]:
    """Clip, examples, Run and settings."""
    parts: Components = {}
    gr.HTML(text.upload_title(limits.upload_mb, limits.clip_seconds, limits.frames))
    parts["upload"] = gr.File(label="Your video", show_label=False, file_types=[*VIDEO_TYPES, ".json"], height=130, elem_id="upload")
    parts["webcam"] = place_webcam()
    parts["to_play"] = gr.State(None)  # a dropped clip that is to play in the panel
    parts["poster"] = gr.Image(
        visible=False, interactive=False, show_label=False, buttons=[], elem_id="poster", alt_text="First picture of the clip"
    )
    parts["player"] = gr.Video(
        visible=False, interactive=False, show_label=False, autoplay=True, loop=True, buttons=[], elem_id="player", label="Your clip"
    )
    names = list(examples)
    parts["example"] = gr.Radio(
        [(examples[name].title, name) for name in names],
        value=names[0] if names else None,
        label="Or an example",
        visible=bool(names),
        elem_id="example",
    )
    with gr.Column(elem_id="go"):
        parts["clip_note"] = gr.HTML("", elem_id="clip-note")
        parts["run"] = gr.Button("Run", variant="primary", size="lg", elem_id="run")
        parts["stop"] = gr.Button("Stop", variant="stop", size="lg", visible=False, elem_id="stop")
    with gr.Accordion("Settings", open=True, elem_id="settings"):
        controls = build_controls(preset, reason)
    return parts, controls


def _build_result(start: Updates) -> Components:
    """Message, steps and tabs, filled with `start`."""

    def given(name: str) -> dict[str, Any]:
        update = start.get(name)
        return {key: value for key, value in update.items() if key != "__type__"} if isinstance(update, dict) else {"value": update}

    parts: Components = {"progress": gr.State(start.get("progress")), "allowed": gr.State(False)}
    parts["message"] = gr.HTML(**given("message"), elem_id="message")
    parts["steps"] = gr.HTML(**given("steps"), elem_id="steps")
    with gr.Row(elem_id="share-row"):
        parts["share"] = gr.HTML(**given("share"), elem_id="share")
        parts["use_settings"] = gr.Button("Use these settings", size="sm", elem_id="use-settings", visible=bool(start.get("shown")))
    with gr.Tabs(elem_id="tabs"):
        for name, title in text.TABS.items():
            with gr.Tab(title, id=name):
                parts[f"{name}_note"] = gr.HTML(**given(f"{name}_note"), elem_classes="tab-note")
                for slot in panels.CONTENT[name]:
                    parts[slot] = _content(slot, given(slot))
                if name == "result":
                    parts["apply_objects"] = gr.Button(
                        "Apply the list to video and files", visible=bool(start.get("shown")), size="sm", elem_id="apply-objects"
                    )
                    parts["listed"] = gr.Textbox(visible=False)
                    # The page itself remembers what it shows: a state of the server is forgotten when that starts again or an hour after a
                    # computer went to sleep, and the page would change another result than the one on it. Hidden, but there: it has events.
                    parts["shown"] = gr.Textbox(start.get("shown", ""), visible="hidden")
                    parts |= place_correcting({name: given(name) for name in ("correct", "correct_frame")})
    return parts


def _content(slot: str, given: dict[str, Any]) -> Any:
    """The component for a slot of `panels.CONTENT`."""
    if slot.endswith("_video"):
        return gr.Video(
            **given, interactive=False, show_label=False, autoplay=True, loop=True, buttons=["download"], elem_id=slot, height="auto"
        )
    if slot.endswith("_gallery"):
        wide = slot == "features_gallery"
        return gr.Gallery(
            **given,
            show_label=False,
            columns=2 if wide else 4,
            height="auto",
            interactive=False,
            elem_id=slot,
            buttons=["download", "fullscreen"],
        )
    if slot == "contents":
        choices = [(words, name) for name, words in text.CONTENTS.items()]
        return gr.CheckboxGroup(choices, **given, label="Contents of the zip", elem_id=slot)
    if slot == "archive":
        return gr.DownloadButton("Download the zip", **given, variant="primary", elem_id=slot)
    if slot == "files":
        return gr.File(**given, label="Single files", file_count="multiple", interactive=False, elem_id=slot)
    return gr.HTML(**given, elem_id=slot)
