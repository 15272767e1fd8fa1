"""Smooth functions of time that drive cameras, objects and limbs; defined at any real time, so that exposures can be integrated."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

Range = tuple[float, float]


def log_uniform(rng: np.random.Generator, limits: Range) -> float:
    """A number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(limits[0]), np.log(limits[1]))))


@dataclass(frozen=True)
class Curve:
    """offset + velocity t + acceleration t^2 / 2 + a sum of sines."""

    offset: float = 0.0
    velocity: float = 0.0
    acceleration: float = 0.0
    waves: tuple[tuple[float, float, float], ...] = ()
    """(amplitude, period in frames, phase in radians) of each sine."""

    def __call__(self, time: float) -> float:
        """Value at a time in frames."""
        value = self.offset + self.velocity * time + 0.5 * self.acceleration * time * time
        for amplitude, period, phase in self.waves:
            value += amplitude * math.sin(2 * math.pi * time / period + phase)
        return value


@dataclass(frozen=True)
class Clock:
    """The time an object lives in: it stands still during `stops` and runs normally otherwise."""

    stops: tuple[tuple[float, float], ...] = ()
    """(start, end) of each halt in frames; slowing down begins at start, speeding up at end."""
    ramp: float = 6.0
    """Frames taken to slow down and to speed up."""

    def __call__(self, time: float) -> float:
        """Time of the object at a time of the scene, both in frames."""
        return time - sum(self._lost(time - start) - self._lost(time - end) for start, end in self.stops)

    def _lost(self, since: float) -> float:
        """Integral of a ramp from 0 to 1 over `ramp` frames."""
        if since <= 0:
            return 0.0
        return since - self.ramp / 2 if since >= self.ramp else since * since / (2 * self.ramp)


@dataclass(frozen=True)
class Path:
    """A trajectory in the plane, travelled by a clock."""

    x: Curve = field(default_factory=Curve)
    y: Curve = field(default_factory=Curve)
    clock: Clock = field(default_factory=Clock)

    def __call__(self, time: float) -> tuple[float, float]:
        """(x, y) at a time of the scene in frames."""
        own = self.clock(time)
        return self.x(own), self.y(own)
