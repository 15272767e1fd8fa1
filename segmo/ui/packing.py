"""Which files the archive of a result holds, as the visitor chooses."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from segmo.errors import DataError
from segmo.settings import Settings
from segmo.ui import delivery, handlers, panels, parts, text
from segmo.ui.events import QUIET, Page, in_turn
from segmo.ui.examples import Example, unpack
from segmo.ui.gpu import run_stages
from segmo.ui.panels import Updates
from segmo.ui.results import find_result

if TYPE_CHECKING:
    from segmo.pipeline import StageEvent

Examples = Mapping[str, Example]


def choose_contents(result: str, contents: Sequence[str], examples: Examples) -> Iterator[Updates]:
    """Pack what is chosen; until that is done, nothing can be downloaded that was not."""
    yield {"archive": gr.update(interactive=False)}
    try:
        directory = unpack(examples[result]) if result in examples else find_result(result)
        if directory is None:
            raise DataError(f"{text.GONE_TITLE} {text.GONE}")
        if not contents:
            yield {"files_note": panels.message("info", "", text.NO_CONTENTS)}
            return
        if result in examples and _lacks(directory, contents):
            yield {"files_note": panels.note("", (text.MAKING,), ())}
            return
        shown = panels.show("files", delivery.pack(directory, contents), directory)
    except Exception as error:
        yield {"files_note": handlers.problem(error)}
        return
    del shown["contents"]  # the visitor may have gone on choosing
    yield shown


def make_contents(
    result: str, contents: Sequence[str], examples: Examples, *, stages: handlers.Pipeline = run_stages
) -> Generator[Updates, None, None]:
    """Run an example for what was chosen and is not shipped with it, and pack that; do nothing where all is there."""
    yield {"files_note": gr.update()}  # gradio wants something of every event
    try:
        if result not in examples or not _lacks(unpack(examples[result]), contents):
            return
        example, directory = examples[result], unpack(examples[result])
        record = parts.load(example.result)["run"]
        assert isinstance(record, parts.RunPart)
        made = yield from handlers.translated(stages(example.clip, Settings.from_dict(record.settings)), _told)
        for packed in directory.glob("*.zip"):
            packed.unlink()
        yield from handlers.translated(delivery.write_files(made, directory), lambda _: ())
    except Exception as error:
        yield {"files_note": handlers.problem(error)}
        return
    yield from choose_contents(result, contents, examples)


def _lacks(directory: Path, contents: Sequence[str]) -> bool:
    """Whether something chosen is not in a folder, nor what it can be made from."""
    from segmo.export import EXTRA_OUTPUTS, OUTPUTS

    return not all((directory / OUTPUTS[EXTRA_OUTPUTS.get(name, name)]).exists() for name in contents)


def _told(event: StageEvent) -> Iterator[Updates]:
    if event.status == "started":
        yield {"files_note": panels.note("", (f"{text.MAKING} {text.STAGES[event.stage].lower()} …",), ())}


def connect_packing(page: Page) -> list[Any]:
    """Bind a choice to its handlers; returns the events that pack, which end where another result, or none, is shown."""
    own = page.parts
    chosen = [own["shown"], own["contents"]]
    outputs = [own[name] for name in ("archive", "files", "files_note")]

    def on_choice(result: str, contents: list[str]) -> Iterator[dict[Any, Any]]:
        for updates in choose_contents(result, contents, page.examples):
            yield page.named(updates)

    def on_missing(result: str, contents: list[str]) -> Iterator[dict[Any, Any]]:
        for updates in make_contents(result, contents, page.examples):
            yield page.named(updates)

    packed = own["contents"].input(on_choice, chosen, outputs, trigger_mode="always_last", **QUIET)
    made = packed.success(on_missing, chosen, outputs, **in_turn(page.limits), **QUIET)
    own["shown"].change(None, cancels=[packed, made], queue=False, **QUIET)  # what is being packed is of the result before
    return [packed, made]
