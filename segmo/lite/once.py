"""What several stages need of one product, computed once and kept for as long as the product lives."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from segmo.types import Clip, FlowFields

Made = TypeVar("Made")

_KEPT: weakref.WeakKeyDictionary[Clip | FlowFields, dict[Hashable, Any]] = weakref.WeakKeyDictionary()


def once(product: Clip | FlowFields, what: Hashable, make: Callable[[], Made]) -> Made:
    """What `make` makes of a product; made anew only where `what` has not been asked of this very product yet."""
    known = _KEPT.setdefault(product, {})
    if what not in known:
        known[what] = make()
    made: Made = known[what]
    return made
