"""From parts to the values of the page's components: HTML, file paths and updates, by the component's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape
from math import log1p
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gradio as gr

from segmo.ui import text
from segmo.ui.controls import ADDRESS
from segmo.ui.parts import FilesPart, MotionPart, MovingObject, Part, PicturesPart, ResultPart, RunPart, StageRow, VideoPart

Updates = dict[str, Any]
"""New values of some components, by name; the others stay as they are."""

CONTENT = {
    "result": ("compare", "objects"),
    "frames": ("frames_gallery",),
    "depth": ("depth_video",),
    "tracks": ("tracks_video",),
    "features": ("features_gallery",),
    "motion": ("motion_video", "histogram"),
    "masks": ("masks_video",),
    "files": ("contents", "archive", "files"),
    "run": ("record",),
}
"""Components of each tab besides its `<tab>_note`; they are hidden until there is something to show."""


def show(name: str, part: Part, directory: Path) -> Updates:
    """Fill a tab."""
    updates: Updates
    if isinstance(part, ResultPart):
        updates = {"compare": _compare(part, directory), "objects": _objects(part, directory)}
    elif isinstance(part, MotionPart):
        updates = {"motion_video": str(directory / part.video), "histogram": _histogram(part) + _live(part, directory)}
    elif isinstance(part, VideoPart):
        updates = {f"{name}_video": str(directory / part.video)}
    elif isinstance(part, PicturesPart):
        updates = {f"{name}_gallery": [(str(directory / file), caption) for file, caption in part.pictures]}
    elif isinstance(part, FilesPart):
        files = [str(directory / file) for file in part.files]
        updates = {"contents": list(part.contents), "archive": str(directory / part.archive), "files": files}
    else:
        assert isinstance(part, RunPart)
        updates = {"record": _record(part)}
    shown: Updates = {slot: gr.update(value=value or None, visible=bool(value)) for slot, value in updates.items()}
    if isinstance(part, FilesPart):
        shown["archive"] |= {"interactive": True}
    shown[f"{name}_note"] = note(text.ABOUT[name], part.facts, part.notes)
    return shown


def clear() -> Updates:
    """Empty every tab, and say in each what will appear."""
    updates: Updates = {}
    for name, slots in CONTENT.items():
        updates[f"{name}_note"] = f'<p class="about waiting-note">{escape(text.WAITING[name])}</p>'
        updates.update({slot: gr.update(value=None, visible=False) for slot in slots})
    return {**updates, "correct": gr.update(visible=False, open=False)}


def correct(part: ResultPart, frame: int | None = None) -> Updates:
    """The place for corrections by clicks, closed unless a frame to show is given; its picture comes when it is opened."""
    count = part.frame_count if part.overlay else 0
    at = min(count // 2 if frame is None else frame, max(count - 1, 0))
    return {
        "correct": gr.update(visible=count > 0, open=frame is not None),
        "correct_frame": gr.update(maximum=max(count - 1, 1), value=at, visible=count > 1),
        "correct_picture": None,
    }


def note(about: str, facts: Sequence[str], notes: Sequence[str]) -> str:
    """The lines above a tab's content: what it shows, facts, warnings."""
    lines = [f'<p class="about">{escape(about)}</p>'] if about else []
    if facts:
        lines.append(f'<p class="facts">{" · ".join(map(escape, facts))}</p>')
    lines += [f'<p class="warning">{escape(sentence)}</p>' for sentence in notes]
    return "".join(lines)


def forecast(facts: Sequence[str], use: Sequence[str], cost: str, warnings: Sequence[str]) -> str:
    """What a clip is, what a run would use of it, and what that would cost."""
    price = f'<p class="cost">{escape(cost)}</p>' if cost else ""
    return note("", facts, ()) + note("", use, ()) + price + note("", (), warnings)


def message(kind: str, title: str, body: str) -> str:
    """A box above the tabs; `kind` is info, error or empty (then there is no box)."""
    if not kind:
        return ""
    role = "alert" if kind == "error" else "status"
    return f'<div class="message {kind}" role="{role}"><strong>{escape(title)}</strong> <span>{escape(body)}</span></div>'


def share(result: str, until: datetime | None) -> str:
    """The button that copies the link to a result, and how long the link works; nothing without a result."""
    if not result:
        return ""
    kept = f"Kept until {until:%d %b %Y, %H:%M} UTC; the link opens it in any browser." if until else "An example of ours; it stays."
    return (
        f'<div class="share"><button type="button" class="copy-link" data-result="{escape(result)}">Copy link</button>'
        f'<span class="share-note" role="status">{kept}</span></div>'
    )


def file_url(path: Path) -> str:
    """Address of a file below a folder that the app may serve, relative to the page."""
    return "gradio_api/file=" + quote(path.as_posix())


def _compare(part: ResultPart, directory: Path) -> str:
    own = f'style="--ratio:{part.width}/{part.height}" {_of(directory)}'
    players = [_player("Original", directory / part.original)]
    if part.overlay:
        players.append(_player("Moving objects", directory / part.overlay, "overlay"))
    if len(players) < 2:
        return f'<div class="compare single" {own}>{players[0]}</div>'
    switch = '<label class="slide-switch"><input type="checkbox" class="slide-on"> Compare by sliding</label>'
    switch = (
        f'<div class="comparing">{switch}<button type="button" class="hold" aria-pressed="false">Hold to see the original</button></div>'
    )
    slider = '<input type="range" class="slide" min="0" max="100" value="50" aria-label="Share of the original that is shown">'
    return f'<div class="compare" {own}>{"".join(players)}{slider}</div>{switch}'


def _player(label: str, path: Path, kind: str = "original") -> str:
    attributes = "controls loop muted autoplay playsinline" if kind == "overlay" else "loop muted autoplay playsinline"
    return (
        f'<figure class="{kind}"><video src="{escape(file_url(path))}" {attributes} aria-label="{label}"></video>'
        f"<figcaption>{label}</figcaption></figure>"
    )


def _of(directory: Path) -> str:
    """The mark by which the page's script knows another result: Gradio changes elements in place, and with them stays what was typed."""
    return f'data-of="{escape(directory.name)}"'


def _objects(part: ResultPart, directory: Path) -> str:
    if not part.overlay:
        return ""
    if not part.objects:
        return message("info", text.NOTHING_MOVES_TITLE, text.NOTHING_MOVES)
    rows = "".join(_object_row(item, part) for item in part.objects)
    heads = ("On", "Object", "Moves", "Visible", "Size", "Merge into", "")
    head = "".join(f"<th scope=col>{word}</th>" for word in heads)
    return f'<div class="wide"><table class="objects" {_of(directory)}><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _object_row(item: MovingObject, part: ResultPart) -> str:
    share = item.frames / max(part.frame_count, 1)
    name, checked = escape(item.name or f"Object {item.id}"), " checked" if item.on else ""
    others = "".join(
        f'<option value="{other.id}">{escape(other.name or f"Object {other.id}")}</option>' for other in part.objects if other.id != item.id
    )
    return (
        f'<tr data-object="{item.id}"><td><input type="checkbox" class="object-on" aria-label="Show {name}"{checked}></td>'
        f'<th scope="row"><i class="swatch" style="background:{escape(item.colour)}"></i>'
        f'<input type="text" class="object-name" maxlength="40" aria-label="Name of object {item.id}" value="{name}"></th>'
        f"<td>{_bar(item.score, f'{item.score:.0%}')}</td>"
        f"<td>{_bar(share, f'{item.frames} of {part.frame_count} frames')}</td><td>{item.area:.1%}</td>"
        f'<td><select class="object-into" aria-label="Merge {name} into"><option value="0">–</option>{others}</select></td>'
        f'<td><button type="button" class="object-delete" aria-label="Delete {name}" aria-pressed="false">Delete</button></td></tr>'
    )


def _bar(share: float, label: str) -> str:
    return f'<span class="bar" aria-hidden="true"><i style="width:{share:.0%}"></i></span><span class="bar-label">{escape(label)}</span>'


def _histogram(part: MotionPart) -> str:
    """Bars of the tracks' probabilities on a logarithmic scale, with the threshold in it, as SVG that follows the theme."""
    width, height, count = 600, 120, max(len(part.counts), 1)
    tallest = log1p(max(part.counts, default=0)) or 1.0
    bars = []
    for index, value in enumerate(part.counts):
        tall = round(log1p(value) / tallest * height, 1)
        kind = "moving" if (index + 0.5) / count > part.threshold else "still"
        low, high = index / count, (index + 1) / count
        bars.append(
            f'<rect class="{kind}" data-at="{(index + 0.5) / count:.4f}" x="{index * width / count + 1:.1f}" y="{height - tall}" '
            f'width="{width / count - 2:.1f}" height="{tall}">'
            f"<title>{value} tracks from {low:.2f} to {high:.2f}</title></rect>"
        )
    at = part.threshold * width
    return (
        '<figure class="histogram"><figcaption>Tracks by probability of motion, on a logarithmic scale</figcaption>'
        f'<svg viewBox="0 -4 {width} {height + 8}" role="img" aria-label="Histogram with the threshold at {part.threshold:.2f}" '
        f'preserveAspectRatio="none">{"".join(bars)}<line x1="{at:.1f}" x2="{at:.1f}" y1="-4" y2="{height + 4}"/></svg>'
        f'<div class="axis"><span>0: stands still</span>'
        f'<span class="at">threshold {part.threshold:.2f}</span><span>1: moves</span></div></figure>'
    )


def _live(part: MotionPart, directory: Path) -> str:
    """Points over a frame, coloured by a threshold that can be moved; the page's script draws it from a file, without the server."""
    if not part.points:
        return ""
    path = directory / part.points
    slider = '<label class="live-slider"><span>{}</span><input type="range" class="{}" min="0" max="{}" step="{}" value="{}"></label>'
    return (
        f'<section class="live" {_of(directory)} data-points="{escape(file_url(path))}" data-folder="{escape(file_url(path.parent))}/">'
        f"<h3>{escape(text.LIVE_TITLE)}</h3>{note(text.LIVE_HELP, (), ())}"
        f'<div class="live-view"><img alt="A frame of the clip"><canvas role="img" aria-label="Points that move and points that do not">'
        f"</canvas></div>{slider.format('Frame', 'live-frame', 0, 1, 0)}"
        f"{slider.format('Threshold', 'live-threshold', 1, 0.01, part.threshold)}"
        f'<p class="facts live-count" role="status"></p>'
        f'<button type="button" class="live-use">Use this threshold for the next run</button> <span class="live-used" role="status"></span>'
        "</section>"
    )


def _record(part: RunPart) -> str:
    memory = any(map(_memory, part.stages))  # results of earlier versions do not tell it
    rows = "".join(
        f'<tr><th scope="row">{escape(text.STAGES.get(row.stage, row.stage))}</th><td>{escape(row.model)}</td>'
        f"<td>{'from cache' if row.cached else f'{row.seconds:.1f} s'}</td>{f'<td>{_memory(row)}</td>' if memory else ''}</tr>"
        for row in part.stages
    )
    heads = ("Stage", "Model", "Time", "Memory") if memory else ("Stage", "Model", "Time")
    head = f"<tr>{''.join(f'<th scope=col>{word}</th>' for word in heads)}</tr>"
    return (
        f'<table class="record"><thead>{head}</thead><tbody>{rows}</tbody></table>'
        f"{_code('The same run in a terminal', part.command)}{_code('The same run from Python, through this app', part.snippet)}"
    )


def _code(title: str, lines: str) -> str:
    """A block of code and a button that copies it; the page's script fills in its own address."""
    shown = escape(lines, quote=False).replace(ADDRESS, f'<span class="address">{ADDRESS}</span>')
    return (
        f'<section class="code"><h3>{escape(title)}</h3><button type="button" class="copy-code">Copy</button>'
        f"<pre><code>{shown}</code></pre></section>"
    )


def _memory(row: StageRow) -> str:
    """The most memory that the process and the GPU held during a stage."""
    held = [f"{row.memory_mb / 1000:.2f} GB"] if row.memory_mb else []
    return " + ".join([*held, f"{row.gpu_memory_mb / 1000:.2f} GB on the GPU"] if row.gpu_memory_mb else held)


def show_all(parts: Mapping[str, Part], directory: Path) -> Updates:
    """Fill every tab of a finished run."""
    updates = clear()
    for name, part in parts.items():
        updates.update(show(name, part, directory))
        if isinstance(part, ResultPart):
            updates |= correct(part)
    return updates
