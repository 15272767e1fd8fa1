"""Every model segmo knows, one row each: its role, its adapter, and, where it has weights, where they come from.

An adapter is a class that follows the Protocol of its role in `segmo/stages`. One without weights is made without arguments and has an
`identity`. One with weights has a class method `load(path: Path, device: str)`, where `path` is the file of the weights if there
is only one, else the folder that holds all of them, and `device` is as torch spells it; the `ModelStore` sets the `identity` of what it
returns. Both may have the class attributes `needs_flow` (False if absent) and `version` (1 if absent; raise it when the answers
change). One with weights may have `precisions`, what it computes in where the device does; all of `segmo.device.PRECISIONS` if absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from segmo.errors import SettingsError

ROLES = ("flow", "depth", "tracks", "features", "motion", "masks")
"""What a model can be for; each role is a Protocol of `segmo/stages`."""


@dataclass(frozen=True)
class WeightsFile:
    """One file that a model needs."""

    name: str
    sha256: str = ""
    """Checksum; empty where none is published: then the one of the first download is recorded and holds from then on."""
    size_bytes: int = 0
    """0 where it is not known beforehand."""


@dataclass(frozen=True)
class Weights:
    """Where the weights of a model are published."""

    files: tuple[WeightsFile, ...]
    repo: str = ""
    """Hugging Face repository; empty where they are published elsewhere."""
    revision: str = ""
    """Commit of that repository."""
    url: str = ""
    """Address of the folder of the files, where they are not in a repository of Hugging Face."""

    @property
    def size_bytes(self) -> int:
        """What has to be downloaded, as far as it is known."""
        return sum(file.size_bytes for file in self.files)

    def address(self, file: WeightsFile) -> str:
        """Where a file is published."""
        return f"https://huggingface.co/{self.repo}/resolve/{self.revision}/{file.name}" if self.repo else f"{self.url}/{file.name}"


@dataclass(frozen=True)
class ModelSpec:
    """One model."""

    role: str
    """One of `ROLES`."""
    name: str
    """Unique within its role."""
    adapter: str
    """`module:Class`; imported only when the model is wanted."""
    licence: str
    """SPDX name of the licence of the weights, or of the code where there are none."""
    paper: str
    """Where the method is published, or what it is."""
    weights: Weights | None = None
    """None where the model needs no download."""
    memory_bytes: int = 0
    """Estimate of what it takes on its device while it works on 50 frames of 854x480 in float32; 0 where that is little."""
    package: str = ""
    """A Python package that must be there and is not in requirements.txt."""
    install: str = ""
    """How to install that package."""
    only_with: str = ""
    """Another model, as `role/name`, whose answers this one is made for."""

    @property
    def full_name(self) -> str:
        """`role/name`."""
        return f"{self.role}/{self.name}"


@dataclass(frozen=True)
class ShippedWeights:
    """A file of weights that we trained ourselves and that is part of the repository."""

    filename: str
    """File in `segmo/zoo/weights`, whose README says how it was trained."""
    size_bytes: int
    sha256: str
    """Checksum of the file, checked whenever it is loaded."""


LITE_FUSION = ShippedWeights("lite_fusion.safetensors", 1418664, "a43e94b964b4f09737d162a01a5d8f9f18d4be90352e0028d45768e5af3ad0a7")
LITE_MOTION = ShippedWeights("lite_motion.safetensors", 2363936, "ee06b5772ed367b9ee89017805a8660551cb058c65dd0845028fc62422a16aec")

_CONFIG = WeightsFile("config.json")
_GB = 10**9
_DEPTH = "arXiv:2406.09414"
_DINO = "arXiv:2304.07193"
_SAM2 = "arXiv:2408.00714"
_PAPER = "arXiv:2503.22268"


def _lite(role: str, adapter: str, paper: str, only_with: str = "") -> ModelSpec:
    return ModelSpec(role, "lite", f"segmo.zoo.lite_models:{adapter}", "MIT", paper, only_with=only_with)


def _hub(repo: str, revision: str, sha256: str = "", size_bytes: int = 0) -> Weights:
    """A model as transformers keeps it: its configuration and its tensors."""
    return Weights((_CONFIG, WeightsFile("model.safetensors", sha256, size_bytes)), repo, revision)


def _depth(size: str, revision: str, sha256: str, size_bytes: int, licence: str, memory_bytes: int) -> ModelSpec:
    weights = _hub(f"depth-anything/Depth-Anything-V2-{size}-hf", revision, sha256, size_bytes)
    name = f"depth-anything-v2-{size.lower()}"
    return ModelSpec("depth", name, "segmo.zoo.paper_depth:DepthAnything", licence, _DEPTH, weights, memory_bytes)


def _features(size: str, revision: str, sha256: str, size_bytes: int, memory_bytes: int) -> ModelSpec:
    weights = _hub(f"facebook/dinov2-{size}", revision, sha256, size_bytes)
    return ModelSpec("features", f"dinov2-{size}", "segmo.zoo.paper_features:Dinov2", "Apache-2.0", _DINO, weights, memory_bytes)


def _masks(name: str, weights: Weights, memory_bytes: int) -> ModelSpec:
    return ModelSpec("masks", name, "segmo.zoo.sam2_masks:Sam2Masks", "Apache-2.0", _SAM2, weights, memory_bytes)


_BOOTSTAPIR = Weights(
    (WeightsFile("bootstapir_checkpoint_v2.pt", "8493c7a69e02c85b9382fbb3c7b8b539b36bc08ede744b9e99feb739a0129f4b", 218886140),),
    url="https://storage.googleapis.com/dm-tapnet/bootstap",
)
_TAPIR = Weights(
    (WeightsFile("tapir_checkpoint_panning.pt", "628611c656b3bd65d4a70fbf5526b62afe82d1b085ce6044685287fb78509daa", 124348474),),
    url="https://storage.googleapis.com/dm-tapnet",
)
_COTRACKER = Weights(
    (WeightsFile("scaled_offline.pth", "2670d4562ed69326dda775a26e54883925cd11b6fc9b24cb7aa9f8078bce7834"),),
    "facebook/cotracker3",
    "b748ec5e5cd4b9f525a94cc544f0be34bbcc22e2",
)
_MOSEG = Weights(
    (WeightsFile("moseg.pth", "705445fbf6b2e42cd4e946390c5c6891046e70add8e8377e38f5368f503591d9"),),
    "Changearthmore/moseg",
    "5ce31c82a80df8ec00ed1e7b1baee72d2b3eecc5",
)
_SAM2_REPO = ("facebook/sam2-hiera-large", "e6a8e8809b8f1bfa2238b6d080f3d05cc76bd251")
_SAM2_META = Weights(
    (WeightsFile("sam2_hiera_large.pt", "7442e4e9b732a508f80e141e7c2913437a3610ee0c77381a66658c3a445df87b", 897952466),), *_SAM2_REPO
)
_EDGETAM = _hub(
    "yonigozlan/EdgeTAM-hf",
    "c266ce53b3fc00f0f495b583f6a116c4e57f53bb",
    "8858f8e4757b0b96dab8763f296ecffd845efbbbf698f64163cfa20a63d5fff4",
    55912824,
)
_SAM21_TINY = _hub(
    "facebook/sam2.1-hiera-tiny",
    "de431c4043854a71d8101e17995dfe596bf101a5",
    "48c14467e5cf9e51870511feb72c89688e82dd74523142c0538b663e193ac2a7",
    155908064,
)
_SAM21_SMALL = _hub(
    "facebook/sam2.1-hiera-small",
    "ee5bba1d82bb8749febdf90f45e84b687142ba03",
    "0a4067b11ce1e23d5229203f11c718a823060d15a4b23fa2372a7d4b77cbbc60",
    184305280,
)
_SAM21_BASE = _hub(
    "facebook/sam2.1-hiera-base-plus",
    "b7320756a13354e7530a63935656d35b2f91a290",
    "2012733a0de5d03efd1bba550a2847c4551be9ef2e0d497c83074df66189f780",
    323476296,
)
_SAM21_LARGE = _hub(
    "facebook/sam2.1-hiera-large",
    "665f8e2ad61cf5f53d65644ff27c8ee525124610",
    "dc407dce21301fd94abb395c5099b4f2c455fdc8a8f261ac3d0ea6d4cd197230",
    897897416,
)

MODELS = (
    _lite("flow", "LiteFlow", "dense inverse search, arXiv:1603.03590"),
    _lite("depth", "LiteDepth", "motion parallax after removing camera rotation"),
    _depth(
        "Small",
        "5426e4f0f36572d16453bbda7a8389317b1bef99",
        "3152477ce0d8d6978d76b995120de97cb5b928701fd0f817769f59e249a16b70",
        99173660,
        "Apache-2.0",
        1 * _GB,
    ),
    _depth("Base", "b1958afc87fb45a9e3746cb387596094de553ed8", "", 390 * 10**6, "CC-BY-NC-4.0", 2 * _GB),
    _depth(
        "Large",
        "7581137eff8d4e94f6e796d3baea0e9fa79b22d2",
        "4e01e34ed5549b529b70b92d53226bc370f03041977b390d3dde45d47f516cf9",
        1341322868,
        "CC-BY-NC-4.0",
        4 * _GB,
    ),
    _lite("tracks", "LiteTracks", "optical flow chained over time"),
    ModelSpec("tracks", "bootstapir", "segmo.zoo.paper_tracks:BootsTapir", "Apache-2.0", "arXiv:2402.00847", _BOOTSTAPIR, 6 * _GB),
    ModelSpec("tracks", "tapir", "segmo.zoo.paper_tracks:Tapir", "Apache-2.0", "arXiv:2306.08637", _TAPIR, 6 * _GB),
    ModelSpec("tracks", "cotracker3", "segmo.zoo.paper_tracks:CoTracker", "CC-BY-NC-4.0", "arXiv:2410.11831", _COTRACKER, 6 * _GB),
    ModelSpec(
        "tracks",
        "tapnet-deepmind",
        "segmo.zoo.meta_models:DeepMindTapnet",
        "Apache-2.0",
        "arXiv:2402.00847, as DeepMind's own code runs it",
        _BOOTSTAPIR,
        4 * _GB,
        package="tapnet",
        install='pip install "tapnet[torch] @ git+https://github.com/google-deepmind/tapnet.git"',
    ),
    _lite("features", "LiteFeatures", "colour and texture descriptors"),
    _features(
        "small", "ed25f3a31f01632728cabb09d1542f84ab7b0056", "ae1e99fcefd534ed978cdeb8326f08030c96e28b7a81ffcbc98a857c84d14be1", 0, 1 * _GB
    ),
    _features("base", "f9e44c814b77203eaa57a6bdbbd535f21ede1415", "", 346 * 10**6, 2 * _GB),
    _features(
        "large",
        "47b73eefe95e8d44ec3623f8890bd894b6ea2d6c",
        "399fba97a95f22c36834418bc69373364a99af3a1153da1c0fb31db567c92e23",
        1217522888,
        4 * _GB,
    ),
    _lite("motion", "LiteMotion", "our network on flow, joined with residuals to the camera motion"),
    ModelSpec("motion", "moseg", "segmo.zoo.paper_motion:PaperMotion", "MIT", _PAPER, _MOSEG, 2 * _GB, only_with="features/dinov2-base"),
    _lite("masks", "LiteMasks", "temporal filtering along the flow and an edge-aware cut", only_with="motion/lite"),
    _masks("sam2-large", _hub(*_SAM2_REPO, size_bytes=897831024), 4 * _GB),
    _masks("sam2.1-tiny", _SAM21_TINY, 2 * _GB),
    _masks("sam2.1-small", _SAM21_SMALL, 2 * _GB),
    _masks("sam2.1-base-plus", _SAM21_BASE, 3 * _GB),
    _masks("sam2.1-large", _SAM21_LARGE, 4 * _GB),
    ModelSpec("masks", "edgetam", "segmo.zoo.sam2_masks:EdgeTamMasks", "Apache-2.0", "arXiv:2501.07256", _EDGETAM, 2 * _GB),
    ModelSpec(
        "masks",
        "sam2-meta",
        "segmo.zoo.meta_models:Sam2MetaMasks",
        "Apache-2.0",
        f"{_SAM2}, as Meta's own code runs it",
        _SAM2_META,
        4 * _GB,
        package="sam2",
        install='pip install "git+https://github.com/facebookresearch/sam2.git"',
    ),
)


def find(role: str, name: str) -> ModelSpec:
    """The row of a model.

    Raises:
        SettingsError: there is none; the message lists those there are.
    """
    rows = {spec.name: spec for spec in MODELS if spec.role == role}
    if name not in rows:
        known = ", ".join(rows) or f"none; roles are {', '.join(ROLES)}"
        raise SettingsError(f"There is no model {name!r} for {role}. Known are {known}.")
    return rows[name]
