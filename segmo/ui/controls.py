"""The settings panel, derived from the options of `segmo.settings`, and the way back from its values to `Settings`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr

from segmo.errors import SettingsError
from segmo.settings import Correction, Option, Settings, iter_options, with_values
from segmo.ui import text

CLICKS = "clicks"
"""API name of the corrections: one text of FRAME,X,Y,+ and FRAME,X,Y,-, with spaces between them."""
MOST_CLICKS = 300
ADDRESS = "ADDRESS_OF_THIS_PAGE"
"""In the snippet for programs, what the page replaces by its own address."""
AUTO = "auto"
"""Value, as on the command line, of an option that is left to segmo."""
RADIO_CHOICES = 3
"""More choices than these are a list to open."""
SLIDER_STEPS = 250
"""A range of more steps than this is a number to type, not a slider."""


def name(option: Option) -> str:
    """Name of an option in the app's API: its last word, as on the command line."""
    return option.path[-1]


def build_controls(preset: str, reason: str = "") -> dict[str, gr.components.Component]:
    """Place the controls where the layout is being built: plain ones first, advanced ones in an accordion; by API name.

    Args:
        preset: the one to start with.
        reason: why that one, as a sentence for the visitor.
    """
    options = list(iter_options())
    controls = _place([option for option in options if not option.advanced], preset)
    if reason:
        controls["preset"].info = f"{controls['preset'].info} Here {reason}"
    with gr.Accordion("Advanced", open=False):
        controls |= _place([option for option in options if option.advanced], preset)
        controls[CLICKS] = gr.Textbox("", label=text.CLICKS_LABEL, info=text.CLICKS_HELP, max_lines=3, elem_id=f"setting-{CLICKS}")
    return controls


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Settings from the controls' values by API name; what is missing has its default.

    Raises:
        SettingsError: a value is of the wrong kind or out of range.
    """
    parsed = {option.path: _parsed(option, values.get(name(option))) for option in iter_options()}
    return with_values(Settings(), {**parsed, ("masks", "corrections"): parse_clicks(values.get(CLICKS))})


def parse_clicks(clicks: str | None) -> tuple[Correction, ...]:
    """The corrections in a text as `CLICKS` has it.

    Raises:
        SettingsError: one cannot be read, or there are more than anybody clicks; each costs time, in which others wait.
    """
    words = (clicks or "").split()
    if len(words) > MOST_CLICKS:
        raise SettingsError(f"There are {len(words)} corrections, and {MOST_CLICKS} are allowed. Take some away.")
    return tuple(map(Correction.parse, words))


def _parsed(option: Option, value: Any) -> Any:
    """A control's value as the setting wants it: pages send 2 and 2.0 alike, cache keys tell them apart, and AUTO stands for None."""
    if value is None or (option.default is None and value == AUTO):
        return option.default
    if option.default is None:
        try:
            return float(value)
        except ValueError as error:
            wanted = f"{AUTO} or a number from {option.minimum:g} to {option.maximum:g}"
            raise SettingsError(f"{option.label} is {value!r}. Give {wanted}.") from error
    if isinstance(option.default, int) and not isinstance(option.default, bool) and float(value).is_integer():
        return int(value)
    return float(value) if isinstance(option.default, float) else value


def values_of(settings: Settings) -> dict[str, Any]:
    """The controls' values by API name: the inverse of `settings_from`."""
    values = {name(option): _value(settings, option.path) for option in iter_options()}
    values |= {CLICKS: " ".join(map(str, settings.masks.corrections))}
    return {key: AUTO if value is None else value for key, value in values.items()}


def command_line(clip: str, settings: Settings) -> str:
    """The command that repeats a run in a terminal."""
    words = ["python -m segmo run", clip]
    for option in iter_options():
        value = _value(settings, option.path)
        if not option.flag or (value == option.default and option.path != ("preset",)):  # whose default depends on the computer
            continue
        if isinstance(option.default, bool):
            words.append(option.flag if value else "--no-" + option.flag.removeprefix("--"))
        else:
            words.append(f"{option.flag} {value:g}" if isinstance(value, float) else f"{option.flag} {value}")
    words += [f"--click {correction}" for correction in settings.masks.corrections]
    return " ".join(words)


def client_snippet(settings: Settings) -> str:
    """The Python that repeats a run through the app's API."""
    changed = (option for option in iter_options() if _value(settings, option.path) != option.default or option.path == ("preset",))
    values = {name(option): _value(settings, option.path) for option in changed}  # the server may start with another preset
    if settings.masks.corrections:
        values[CLICKS] = values_of(settings)[CLICKS]
    given = "".join(f", {key}={value!r}" for key, value in values.items())
    return (
        "from gradio_client import Client, handle_file\n\n"
        f"client = Client({ADDRESS})\n"
        f'overlay, archive, summary = client.predict(handle_file("clip.mp4"){given}, api_name="/segment")'
    )


def _value(settings: Settings, path: Sequence[str]) -> Any:
    value: Any = settings
    for word in path:
        value = getattr(value, word)
    return value


def _place(options: Sequence[Option], preset: str) -> dict[str, gr.components.Component]:
    """One control below the other, but numbers to type side by side."""
    controls: dict[str, gr.components.Component] = {}
    for typed, group in itertools.groupby(options, _is_typed):
        if typed:
            with gr.Row(elem_classes="numbers"):
                controls |= {name(option): _typed(option) for option in group}
        else:
            for option in group:
                controls |= _control(option, preset)
    return controls


def _is_typed(option: Option) -> bool:
    """Whether the option is a number of too wide a range for a slider, or one that may be left open."""
    if option.choices or isinstance(option.default, bool):
        return False
    low, high = option.minimum, option.maximum
    return option.default is None or low is None or high is None or (high - low) / (option.step or 1) > SLIDER_STEPS


def _typed(option: Option) -> gr.components.Component:
    if option.default is None:
        return gr.Textbox(AUTO, label=option.label, info=option.help, max_lines=1, min_width=120, elem_id=f"setting-{name(option)}")
    return gr.Number(
        option.default,
        label=option.label,
        info=option.help,
        minimum=option.minimum,
        maximum=option.maximum,
        step=option.step or 1,
        precision=0 if isinstance(option.default, int) else None,
        min_width=120,
    )


def _control(option: Option, preset: str) -> dict[str, gr.components.Component]:
    label, info, key = option.label, option.help, name(option)
    if option.choices:
        kind = gr.Radio if len(option.choices) <= RADIO_CHOICES else gr.Dropdown
        return {key: kind(list(option.choices), value=preset if key == "preset" else option.default, label=label, info=info)}
    if isinstance(option.default, bool):
        return {key: gr.Checkbox(option.default, label=label, info=info)}
    assert option.minimum is not None and option.maximum is not None, "a slider has ends"
    slider = gr.Slider(option.minimum, option.maximum, option.default, step=option.step, label=label, info=info, buttons=[])
    return {key: slider}
