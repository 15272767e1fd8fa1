"""The parser of `python -m segmo`, its table of commands and its exit codes.

A command is a module of this folder, named as the command, with two functions::

    def add_parser(subparsers) -> None     # adds its own parser; must import nothing heavy
    def run(args) -> int                   # does the work, returns the exit code; heavy imports go here

To add one, write the module and add its name to `COMMANDS`.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import sys
from collections.abc import Sequence

from segmo.errors import InputError, SegmoError, SettingsError

COMMANDS = ("run", "benchmark", "evaluate", "train", "convert", "data", "prepare", "label", "mask", "check", "clean", "cache", "weights")

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130
"""Exit codes: done (also when nothing moves); anything else; bad input or settings; Ctrl-C."""


def build_parser() -> argparse.ArgumentParser:
    """The parser of all commands; the chosen command's `run` is in `args.command_run`."""
    description = "Find and segment everything that moves in a video."
    parser = argparse.ArgumentParser(prog="python -m segmo", description=description, allow_abbrev=False)
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name in COMMANDS:
        module = importlib.import_module(f"segmo.cli.{name}")
        module.add_parser(subparsers)
        subparsers.choices[name].set_defaults(command_run=module.run)
        subparsers.choices[name].allow_abbrev = False
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. A wrong flag or missing argument exits with 2 from argparse itself."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A clip's name may hold what its encoding has no letter for; stderr does so already.
        sys.stdout.reconfigure(errors="backslashreplace")
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s", stream=sys.stderr)
    args = build_parser().parse_args(argv)
    try:
        return int(args.command_run(args))
    except SegmoError as error:
        print(f"segmo: {error}", file=sys.stderr)
        return exit_code(error)
    except KeyboardInterrupt:
        print("segmo: Stopped. What was finished is kept.", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output left, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def exit_code(error: SegmoError) -> int:
    """The exit code an error stands for."""
    return BAD_INPUT if isinstance(error, InputError | SettingsError) else FAILED
