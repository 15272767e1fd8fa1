from __future__ import annotations

import gc
import weakref

import numpy as np

from segmo.lite.once import once
from segmo.training.fusion_task import as_clip


def test_once_is_once_a_product_and_ends_with_it():
    first, second = (as_clip(np.full((2, 8, 8, 3), level, np.uint8)) for level in (1, 2))
    made = []

    def mean(clip):
        made.append(weakref.ref(clip))
        return np.array(clip.frames.mean())

    assert once(first, "mean", lambda: mean(first)) == 1
    assert once(second, "mean", lambda: mean(second)) == 2
    assert once(first, "mean", lambda: mean(first)) == 1 and len(made) == 2
    assert once(first, "size", lambda: first.frames.size) == 384
    kept = weakref.ref(once(first, "mean", lambda: mean(first)))
    first = None
    gc.collect()
    assert kept() is None
