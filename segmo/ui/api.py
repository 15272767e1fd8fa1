"""The app's end points for programs, under "Use via API", and as tools of an MCP server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from segmo.ui import handlers, text
from segmo.ui.events import Components, in_turn
from segmo.ui.limits import Limits


def add_api(controls: Components, limits: Limits, video_types: list[str]) -> None:
    """Add /segment, /stages and /evaluate_threshold; a tool has the name of the function behind its end point."""

    def validate(clip: str | None, **values: Any) -> list[dict[str, Any]]:
        """Refuse before the queue what is not allowed; one answer an input."""
        problem = handlers.refuse(Path(clip) if clip else None, values, limits)
        return [gr.validate(not problem, problem), *(gr.validate(True, "") for _ in controls)]

    def segment_motion(clip: str | None, **values: Any) -> Iterator[handlers.Answer]:
        yield from handlers.segment(clip, values)

    def stages(clip: str | None, **values: Any) -> Iterator[tuple[list[str] | None, Mapping[str, Any]]]:
        yield from handlers.stages_of(clip, values)

    shared: dict[str, Any] = {"inputs_kwargs": controls, "validator": validate, **in_turn(limits)}
    with gr.Row(visible=False):
        clip = gr.File(label="clip", file_types=video_types)
        overlay, archive, summary = gr.File(label="overlay"), gr.File(label="archive"), gr.JSON(label="summary")
        outputs = [overlay, archive, summary]
        gr.Button().click(segment_motion, clip, outputs, api_name="segment", api_description=text.API, **shared)
        views, record = gr.File(label="views", file_count="multiple"), gr.JSON(label="summary")
        gr.Button().click(stages, clip, [views, record], api_name="stages", api_description=text.API_STAGES, **shared)
        result, threshold = gr.Textbox(label="result"), gr.Number(label="threshold", minimum=0, maximum=1)
        judged = gr.JSON(label="labels")
        gr.Button().click(
            handlers.evaluate_threshold,
            [result, threshold],
            judged,
            api_name="evaluate_threshold",
            api_description=text.API_THRESHOLD,
            queue=False,
        )
