"""What a visitor changes in the list of objects: switched off, renamed, merged, deleted. Masks change accordingly; no model runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from segmo.errors import SettingsError

if TYPE_CHECKING:
    from segmo.types import ObjectMasks

LONGEST_NAME = 40


@dataclass(frozen=True)
class ObjectEdits:
    """Changes by object id, always relative to the objects that the run found."""

    names: Mapping[int, str] = field(default_factory=dict)
    merged: Mapping[int, int] = field(default_factory=dict)
    """Objects that are part of another one."""
    deleted: frozenset[int] = frozenset()
    off: frozenset[int] = frozenset()
    """Objects that are listed and neither drawn nor written."""

    def then(self, later: ObjectEdits) -> ObjectEdits:
        """These changes and later ones, made on the list that these left; who gets the default name back has none of its own."""
        names = {identity: name for identity, name in {**self.names, **later.names}.items() if name != default_name(identity)}
        return ObjectEdits(names, {**self.merged, **later.merged}, self.deleted | later.deleted, later.off)

    def owner(self, identity: int) -> int:
        """The object that an object is part of in the end; 0 if it is deleted."""
        seen = set()
        while identity in self.merged and identity not in seen:
            seen.add(identity)
            identity = self.merged[identity]
        return 0 if identity in self.deleted else identity

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for run.json and view.json."""
        return {"names": dict(self.names), "merged": dict(self.merged), "deleted": sorted(self.deleted), "off": sorted(self.off)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ObjectEdits:
        """Inverse of `to_dict`, also after JSON made texts of the numbers."""
        names = {int(identity): str(name) for identity, name in values.get("names", {}).items()}
        merged = {int(identity): int(into) for identity, into in values.get("merged", {}).items()}
        deleted, off = (frozenset(map(int, values.get(key, ()))) for key in ("deleted", "off"))
        return cls(names, merged, deleted, off)


def parse_edits(text: str) -> ObjectEdits:
    """The state of the list as the page sends it: rows of id, name, on, into and deleted.

    Raises:
        SettingsError: it is something else, or objects are merged in a circle.
    """
    try:
        rows = [
            (int(row["id"]), str(row["name"]).strip(), bool(row["on"]), int(row["into"]), bool(row["deleted"])) for row in json.loads(text)
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise SettingsError(f"The list of objects cannot be read ({error}). Reload the page.") from error
    edits = ObjectEdits(
        {identity: name[:LONGEST_NAME] or default_name(identity) for identity, name, *_ in rows},
        {identity: into for identity, _, _, into, _ in rows if into and into != identity},
        frozenset(identity for identity, *_, deleted in rows if deleted),
        frozenset(identity for identity, _, on, _, _ in rows if not on),
    )
    for identity in edits.merged:
        if edits.owner(identity) in edits.merged:
            raise SettingsError(f"Objects are merged in a circle through object {identity}. Merge each into one that stays.")
    return edits


def default_name(identity: int) -> str:
    """What an object is called until somebody renames it."""
    return f"Object {identity}"


def apply_edits(masks: ObjectMasks, edits: ObjectEdits, *, with_off: bool = False) -> ObjectMasks:
    """The masks with objects merged and deleted, and those that are off left out unless `with_off`.

    The score of a merged object is the mean of its parts by area.
    """
    from segmo.types import ObjectMasks

    areas = masks.areas().sum(axis=0).tolist()
    table, weights, scores = np.zeros(256, np.uint8), np.zeros(256), np.zeros(256)
    for identity, score, area in zip(masks.object_ids.tolist(), masks.motion_scores.tolist(), areas, strict=True):
        owner = edits.owner(identity)
        if owner and owner in masks.object_ids and (with_off or owner not in edits.off):
            table[identity] = owner
            weights[owner] += area
            scores[owner] += area * score
    if (table[masks.object_ids] == masks.object_ids).all():
        return masks
    ids = np.flatnonzero(weights)
    means = np.clip(scores[ids] / weights[ids], 0, 1).astype(np.float32)
    return ObjectMasks(table[masks.labels], ids.astype(np.int64), means, masks.notes)
