"""Every data set segmo reads, one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from segmo.datasets import davis, dynamic_replica, fbms, hoi4d, kubric, layout, segtrack, synthetic, waymo
from segmo.datasets.clips import Expected, LabelledClip
from segmo.errors import DataError


@dataclass(frozen=True)
class DataSet:
    """How a data set is read, and what becomes of it in the folder layout of training."""

    name: str
    """On the command line."""
    expected: Expected
    clips: Callable[[Path], Sequence[LabelledClip]]
    """Its clips with ground truth, listed without decoding."""
    converts: bool = False
    """Whether `python -m segmo data` turns it into the folder layout."""
    nested: bool = False
    """Whether each scene has a folder of its own there."""
    masks: str = layout.MASKS
    """Name of the folder of masks there."""

    def layout(self, root: Path) -> layout.Layout:
        """The layout that its conversion has at `root`."""
        return layout.Layout(root, self.nested, self.masks)


DATA_SETS = {
    row.name: row
    for row in (
        DataSet("kubric", kubric.EXPECTED, kubric.clips, converts=True, masks=layout.KUBRIC_MASKS),
        DataSet("dynamic-replica", dynamic_replica.EXPECTED, dynamic_replica.clips, converts=True, nested=True),
        DataSet("hoi4d", hoi4d.EXPECTED, hoi4d.clips, converts=True),
        DataSet("waymo", waymo.EXPECTED, waymo.clips, converts=True),
        DataSet("davis", davis.EXPECTED, davis.clips, converts=True),
        DataSet("fbms", fbms.EXPECTED, fbms.clips),
        DataSet("segtrack", segtrack.EXPECTED, segtrack.clips),
        DataSet("synthetic", synthetic.EXPECTED, synthetic.clips),
    )
}


def find_data_set(name: str) -> DataSet:
    """The row of a data set.

    Raises:
        DataError: there is none; the message lists those there are.
    """
    if name not in DATA_SETS:
        raise DataError(f"There is no data set {name!r}. Choose one of {', '.join(DATA_SETS)}.")
    return DATA_SETS[name]
