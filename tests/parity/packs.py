"""Which pack is checked by which module, and how a folder of packs is run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from .common import Check

PACKS = {
    "moseg": "moseg.npz",
    "tapir": "tapir.npz",
    "dinov2": "dinov2.npz",
    "rules": "rules.json",
    "mask_densification": "units.json",
    "metrics": "*_per_frame.csv",
}
"""Kind of pack, and the file by which a folder is known to hold one. A pack of timings holds nothing to compare."""
NETWORKS = ("moseg", "tapir", "dinov2")
"""Those of networks, which can compute on any device."""


@dataclass(frozen=True)
class Pack:
    """A folder with reference data."""

    kind: str
    folder: Path


def find_packs(directory: Path) -> list[Pack]:
    """All packs in a directory and below it, in the order of their paths."""
    found = {Pack(kind, path.parent) for kind, marker in PACKS.items() for path in directory.rglob(marker)}
    return sorted(found, key=lambda pack: (pack.folder, pack.kind))


def checker(kind: str, device: str = "cpu") -> Callable[[Path], Iterator[Check]] | None:
    """The function that checks a kind of pack on a device, or None where what it would check does not exist yet."""
    try:
        check = importlib.import_module(f".{kind}", __package__).check
        return partial(check, device=device) if kind in NETWORKS else check
    except ModuleNotFoundError as error:
        if error.name and (error.name.startswith("segmo.") or error.name == f"{__package__}.{kind}"):
            return None
        raise


def run(directory: Path, say: Callable[[str], None], device: str = "cpu") -> bool:
    """Check every pack below a directory, a line each pack and case, and return whether all that could be checked agree.

    Raises:
        FileNotFoundError: there is no pack below the directory.
    """
    packs = find_packs(directory)
    if not packs:
        raise FileNotFoundError(f"There is no pack below {directory}. Known are folders with {', '.join(PACKS.values())}.")
    exceeded = missing = total = 0
    for pack in packs:
        where = str(pack.folder.relative_to(directory)) if pack.folder != directory else pack.kind
        check = checker(pack.kind, device)
        if check is None:
            missing += 1
            say(f"{where}: not implemented")
            continue
        for result in check(pack.folder):
            total += 1
            exceeded += not result.passed
            state = "ok" if result.passed else "exceeded"
            figures = f"{result.deviation:.3g} of {result.tolerance:.3g}"
            say(f"{where}: {result.case}: {figures}: {state}" + (f" ({result.note})" if result.note else ""))
    say(f"{total} cases, {exceeded} exceeded, {missing} of {len(packs)} packs not implemented")
    return not exceeded
