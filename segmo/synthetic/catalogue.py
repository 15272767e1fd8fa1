"""Everything that can stand or move in a random scene."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from segmo.synthetic import blobs, creatures, props, vehicles
from segmo.synthetic.figures import Figure, Gait

Maker = Callable[[np.random.Generator, Gait], Figure]

FIGURES: dict[str, tuple[float, Maker]] = {
    "blob": (0.12, lambda rng, gait: blobs.blob(rng)),
    "union": (0.07, lambda rng, gait: blobs.union(rng)),
    "polygon": (0.05, lambda rng, gait: blobs.polygon(rng)),
    "limbed": (0.12, blobs.limbed),
    "person": (0.15, lambda rng, gait: creatures.person(gait, rng.uniform(0.8, 1.5))),
    "quadruped": (0.16, lambda rng, gait: _quadruped(rng, gait)),
    "bird": (0.05, lambda rng, gait: creatures.bird(gait, rng.uniform(0.4, 0.9))),
    "fish": (0.05, lambda rng, gait: creatures.fish(gait)),
    "snake": (0.03, lambda rng, gait: creatures.snake(gait, rng.uniform(0.06, 0.2))),
    "insect": (0.03, lambda rng, gait: creatures.insect(gait, int(rng.choice([6, 8])))),
    "car": (0.06, lambda rng, gait: vehicles.car(gait, rng.uniform(0.32, 0.45), rng.uniform(0.42, 0.58))),
    "truck": (0.03, lambda rng, gait: vehicles.truck(gait)),
    "bicycle": (0.04, lambda rng, gait: vehicles.bicycle(gait, bool(rng.random() < 0.8))),
    "ball": (0.02, lambda rng, gait: vehicles.ball(gait)),
    "balloon": (0.01, lambda rng, gait: vehicles.balloon(gait)),
    "boat": (0.01, lambda rng, gait: vehicles.boat(gait)),
}
"""Share and maker of each kind of thing that may move, or stand still."""

PROPS: dict[str, tuple[float, Maker]] = {
    "tree": (0.25, lambda rng, gait: props.tree(rng)),
    "bare_tree": (0.15, lambda rng, gait: props.tree(rng, bare=True)),
    "conifer": (0.1, lambda rng, gait: props.conifer(rng)),
    "bush": (0.12, lambda rng, gait: props.bush(rng)),
    "fence": (0.12, lambda rng, gait: props.fence(rng, int(rng.integers(5, 14)))),
    "post": (0.1, lambda rng, gait: props.post(rng)),
    "rock": (0.1, lambda rng, gait: props.rock(rng)),
    "house": (0.06, lambda rng, gait: props.house(rng)),
}
"""Share and maker of each kind of thing that only ever stands still."""

FLYING = frozenset({"blob", "union", "polygon", "limbed", "bird", "fish", "snake", "insect", "balloon"})
"""Kinds that need not stand on the ground."""


def random_figure(rng: np.random.Generator, gait: Gait, props_share: float = 0.0) -> Figure:
    """A figure of a random kind; `props_share` of them can only stand still."""
    table = PROPS if rng.random() < props_share else FIGURES
    shares = np.array([share for share, _ in table.values()])
    kind = list(table)[rng.choice(len(table), p=shares / shares.sum())]
    return table[kind][1](rng, gait)


def _quadruped(rng: np.random.Generator, gait: Gait) -> Figure:
    leg_length, neck = rng.uniform(0.25, 0.85), rng.choice([rng.uniform(0.1, 0.3), rng.uniform(0.3, 0.9)])
    return creatures.quadruped(gait, leg_length, float(neck), rng.uniform(0.7, 1.4), rng.uniform(0.1, 0.6), rng.uniform(0.15, 1))
