"""How objects that hold large arrays are printed."""

from __future__ import annotations

import dataclasses
import reprlib
from typing import Any, cast

import numpy.typing as npt


class _Short(reprlib.Repr):
    """Arrays as dtype and shape, and of long sequences only the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = self.maxstring = self.maxother = 10_000

    def repr_ndarray(self, array: npt.NDArray[Any], level: int) -> str:
        """How an array is shown."""
        return f"<{array.dtype} {array.shape}>"


class Shown:
    """A dataclass that is shown in a few lines however large its arrays are: a session prints what its last line gives."""

    def __repr__(self) -> str:
        short = _Short()
        fields = [f"{name}={short.repr(getattr(self, name))}" for name in (field.name for field in dataclasses.fields(cast(Any, self)))]
        return f"{type(self).__name__}({', '.join(fields)})"
