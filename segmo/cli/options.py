"""Flags for the settings, made from `segmo.settings`, so that a new setting is a new flag without a line here."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from segmo.errors import SettingsError
from segmo.settings import Correction, Option, Settings, iter_options, with_values

CLICKS = "masks.corrections"


def add_setting_flags(
    parser: argparse.ArgumentParser, only: Collection[str] = (), *, preset: str = "the best that can run here", efficiency: bool = True
) -> None:
    """Add a flag for every option that has one, and `--device`. Flags that are not given leave no trace in the namespace.

    Args:
        only: groups of settings, such as `models`, and `preset`; all of them, with the clicks, where empty.
        preset: which one is taken where none is given, for the help text.
        efficiency: whether it is on where the flag is not given, for the help text.
    """
    group = parser.add_argument_group("settings")
    defaults = {("preset",): preset, ("frames", "efficiency"): efficiency}
    for option in iter_options():
        if option.flag and (not only or option.path[0] in only):
            help = _help(option, defaults.get(option.path, option.default))
            group.add_argument(option.flag, dest=_dest(option), default=argparse.SUPPRESS, help=help, **_kind(option))
    if not only:
        _add_clicks(group)
    group.add_argument("--device", default="auto", help="auto, cpu, mps, cuda or cuda:N (default: auto)")


def add_weights_flag(parser: argparse.ArgumentParser) -> None:
    """Add `--motion-weights`: it belongs to this machine, as `--device` does, and is no setting."""
    parser.add_argument(
        "--motion-weights",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="weights that you trained, in place of those of the motion model: best.safetensors of `segmo train`, or a .pth of `convert`;"
        " twice for both networks of lite",
    )


def _add_clicks(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--click",
        dest=CLICKS,
        action="append",
        default=argparse.SUPPRESS,
        type=_correction,
        metavar="FRAME,X,Y,+|-",
        help="what lies there moves too (+), or does not (-); index of a frame in the source, shares of width and height; may be repeated",
    )


def settings_from(args: argparse.Namespace) -> Settings:
    """The settings that the flags ask for; defaults elsewhere.

    Raises:
        SettingsError: a value is out of range.
    """
    given = vars(args)
    settings = with_values(Settings(), {option.path: given[_dest(option)] for option in iter_options() if _dest(option) in given})
    return with_values(settings, {("masks", "corrections"): given.get(CLICKS, ())})


def gave_preset(args: argparse.Namespace) -> bool:
    """Whether the user chose the preset."""
    return "preset" in vars(args)


def _correction(text: str) -> Correction:
    try:
        return Correction.parse(text)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _dest(option: Option) -> str:
    return ".".join(option.path)


def _kind(option: Option) -> dict[str, Any]:
    if isinstance(option.default, bool):
        return {"action": argparse.BooleanOptionalAction}
    if option.choices:
        return {"choices": option.choices}
    if option.default is None:
        return {"type": _auto_or_number, "metavar": "auto|X"}
    kind: Callable[[str], Any] = type(option.default)
    return {"type": kind, "metavar": "N" if kind is int else "X"}


def _auto_or_number(text: str) -> float | None:
    try:
        return None if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is neither 'auto' nor a number") from None


def _help(option: Option, default: Any) -> str:
    shown = "auto" if default is None else ("off", "on")[default] if isinstance(default, bool) else default
    return f"{option.help} (default: {shown})".replace("%", "%%")
