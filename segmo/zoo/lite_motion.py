"""The motion networks of the `lite` preset, with weights from this repository.

The first goes from the flow of a frame to the probability that a pixel moves, the second from what all judges say to the last word.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from segmo.errors import WeightsError
from segmo.lite import fusion
from segmo.lite.cues import sigmoid
from segmo.lite.flow import GAPS
from segmo.lite.inputs import PLANES, SCALES, NetworkInput
from segmo.networks.flow_graph import FlowGraph
from segmo.zoo.registry import LITE_FUSION, LITE_MOTION

WEIGHTS, FUSION_WEIGHTS = (Path(__file__).parent / "weights" / shipped.filename for shipped in (LITE_MOTION, LITE_FUSION))
WIDTHS_NOTE, FUSION_WIDTHS_NOTE = "widths", "fusion_widths"
"""Note of a file of weights of the first and of the second network with its widths as JSON."""


def load_flow_graph(path: Path = WEIGHTS, sha256: str = LITE_MOTION.sha256) -> FlowGraph:
    """The first network, ready for use on the processor.

    Raises:
        WeightsError: as `load_graph`.
    """
    return load_graph(path, sha256, PLANES + len(GAPS) + SCALES)


def load_fusion_graph(path: Path = FUSION_WEIGHTS, sha256: str = LITE_FUSION.sha256) -> FlowGraph:
    """The second network, ready for use on the processor.

    Raises:
        WeightsError: as `load_graph`.
    """
    return load_graph(path, sha256, fusion.PLANES + fusion.ERRORS + fusion.SCALES)


def is_fusion(path: Path) -> bool:
    """Whether a file of weights is of the second network, as its notes say."""
    from safetensors import safe_open

    with safe_open(path, "np") as file:
        return FUSION_WIDTHS_NOTE in (file.metadata() or {})


def load_graph(path: Path, sha256: str, channels: int) -> FlowGraph:
    """A trained network whose input has so many channels.

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
        return FlowGraph(tensors, channels)
    except ValueError as error:
        raise WeightsError(f"The weights {path} do not fit this version of the network: {error}. Restore both from one version.") from error


def motion_probability(seen: NetworkInput, network: FlowGraph) -> npt.NDArray[np.float32]:
    """(h, w) probability that a pixel moves on its own."""
    return sigmoid(network.logits(seen.planes, seen.error, seen.scales)[0])
