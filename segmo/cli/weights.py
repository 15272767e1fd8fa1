"""`python -m segmo weights list|fetch|verify [NAME...]`: the models' weights, where they come from, and whether they are here."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from segmo.zoo.registry import ModelSpec


def add_parser(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `weights` and its actions."""
    parser = subparsers.add_parser("weights", help="list, fetch and verify the weights of the models")
    parser.add_argument(
        "action",
        choices=("list", "fetch", "verify"),
        help="list: every model, its licence and whether it is here; fetch: bring weights here; verify: read them and compare checksums",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="presets, models, or role/model; fetch needs one; default: all (verify: all that are here)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of text")


def run(args: argparse.Namespace) -> int:
    """Do one action.

    Returns:
        0 if all is well; 1 if weights could not be fetched, or are damaged or absent. Unknown names end in a SettingsError.
    """
    specs = _chosen(args.names)
    if args.action == "fetch":
        return _fetch(specs, args)
    return _verify(specs, args) if args.action == "verify" else _list(specs, args)


def _chosen(names: list[str]) -> list[ModelSpec]:
    """The rows that the names mean, each once; all rows without names."""
    from segmo.errors import SettingsError
    from segmo.zoo.presets import ALL, specs_of
    from segmo.zoo.registry import MODELS

    chosen: list[ModelSpec] = [] if names else list(MODELS)
    for name in names:
        if name in ALL:
            chosen += specs_of(ALL[name])
            continue
        found = [spec for spec in MODELS if name in (spec.name, spec.full_name)]
        if not found:
            models = ", ".join(spec.full_name for spec in MODELS if spec.weights)
            raise SettingsError(f"There are no weights called {name!r}. Give a preset ({', '.join(ALL)}) or a model: {models}.")
        chosen += found
    return list(dict.fromkeys(chosen))


def _fetch(specs: list[ModelSpec], args: argparse.Namespace) -> int:
    from segmo.errors import SettingsError, WeightsError
    from segmo.zoo import download

    if not args.names:
        raise SettingsError("weights fetch needs to know what. Name a preset or models, for example: python -m segmo weights fetch paper")
    failed = False
    for spec in specs:
        if spec.weights is None:
            continue
        try:
            _show_progress(spec, args.json)
        except WeightsError as error:
            failed = True
            _tell(args.json, spec, "failed", message=str(error))
        else:
            _tell(args.json, spec, "ready", path=str(download.local_path(spec.weights)))
    return int(failed)


def _show_progress(spec: ModelSpec, as_json: bool) -> None:
    from segmo.zoo import download

    if as_json:
        told = -1
        for fraction in download.fetch(spec):
            if int(100 * fraction) > told:
                told = int(100 * fraction)
                _tell(True, spec, "fetching", fraction=round(fraction, 4))
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:>32}"), BarColumn(30), TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=not console.is_terminal) as bars:
        task = bars.add_task(spec.full_name, total=1.0)
        for fraction in download.fetch(spec):
            bars.update(task, completed=fraction)


def _verify(specs: list[ModelSpec], args: argparse.Namespace) -> int:
    from segmo.zoo import download

    failed = False
    for spec in specs:
        if spec.weights is None:
            continue
        state = download.state(spec.weights, thorough=True)
        if state == "missing" and not args.names:
            continue
        failed |= state != "ready"
        if state in ("ready", "missing"):
            _tell(args.json, spec, state, path=str(download.local_path(spec.weights)))
        else:
            _tell(
                args.json, spec, "damaged", message=f"{state}. Delete it and fetch it again: python -m segmo weights fetch {spec.full_name}"
            )
    return int(failed)


def _tell(as_json: bool, spec: ModelSpec, status: str, **more: Any) -> None:
    if as_json:
        print(json.dumps({"model": spec.full_name, "status": status, **more}), flush=True)
    else:
        print(f"{spec.full_name}: {status} {more.get('path') or more['message']}", flush=True)


def _list(specs: list[ModelSpec], args: argparse.Namespace) -> int:
    import dataclasses

    from segmo.zoo import download
    from segmo.zoo.presets import ALL

    rows = []
    for spec in specs:
        presets = [preset.name for preset in ALL.values() if preset.model(spec.role) == spec.name]
        state = download.state(spec.weights) if spec.weights else "ready"
        path = str(download.local_path(spec.weights)) if spec.weights else ""
        rows.append({**dataclasses.asdict(spec), "presets": presets, "state": state, "path": path})
    if args.json:
        for row in rows:
            print(json.dumps(row))
    else:
        _print_table(specs, rows)
        print(f"Weights are kept in {download.weights_directory()}; SEGMO_WEIGHTS names another folder.")
    return 0


def _print_table(specs: list[ModelSpec], rows: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for heading in ("role", "name", "presets", "MB", "licence", "here", "from"):
        table.add_column(heading, justify="right" if heading == "MB" else "left", overflow="fold")
    for spec, row in zip(specs, rows, strict=True):
        here = {"ready": "yes", "missing": "-"}.get(row["state"], "damaged")
        size, source = "", "this repository"
        if spec.weights:
            size = f"{spec.weights.size_bytes / 1e6:.0f}" if spec.weights.size_bytes else "?"
            source = f"{spec.weights.repo}@{spec.weights.revision[:8]}" if spec.weights.repo else spec.weights.url
        table.add_row(spec.role, spec.name, " ".join(row["presets"]), size, spec.licence, here, source)
    Console().print(table)
