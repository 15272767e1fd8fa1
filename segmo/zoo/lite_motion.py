"""The motion network of the `lite` preset: from flow fields to the probability that a pixel moves, with weights from this repository."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmo.errors import WeightsError
from segmo.lite.cues import sigmoid
from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES, NetworkInput
from segmo.networks.flow_graph import FlowGraph
from segmo.zoo.registry import LITE_MOTION

WEIGHTS = Path(__file__).parent / "weights" / LITE_MOTION.filename
WIDTHS_NOTE = "widths"
"""Note of a file of weights with the network's widths as JSON."""


def load_flow_graph(path: Path = WEIGHTS, sha256: str = LITE_MOTION.sha256) -> FlowGraph:
    """The trained network, ready for use on the processor.

    Args:
        sha256: checksum the file must have; empty accepts any.

    Raises:
        WeightsError: the file is missing, not the expected one, or does not fit the network.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        content = path.read_bytes()
        tensors = load(content)
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(f"The weights {path} cannot be read: {error!r}. Restore the file from the repository.") from error
    found = hashlib.sha256(content).hexdigest()
    if sha256 and found != sha256:
        raise WeightsError(f"The weights {path} have SHA-256 {found}, not {sha256}. Restore the file from the repository.")
    try:
        return FlowGraph(tensors, PLANES + len(GAPS) + SCALES)
    except ValueError as error:
        raise WeightsError(f"The weights {path} do not fit this version of the network: {error}. Restore both from one version.") from error


def motion_probability(seen: NetworkInput, network: FlowGraph) -> npt.NDArray[np.float32]:
    """(h, w) probability that a pixel moves on its own."""
    return sigmoid(network.logits(seen.planes, seen.error, seen.scales))
