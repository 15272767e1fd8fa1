"""Sam2Video and EdgeTamVideo: segmenters that follow objects through a clip from points on a few frames.

Source: SAM 2 (arXiv 2408.00714) and EdgeTAM (arXiv 2501.07256), both Apache-2.0, as transformers' `Sam2VideoModel` and
`EdgeTamVideoModel`. Licence: MIT. Deviations from transformers, all towards Meta's own video predictor, which made the paper's masks:

- Frames are resized as Pillow does, bicubically, and straight to the square of the network.
- A frame that is prompted again takes its earlier mask as a prompt too, within +-32.
- Logits are enlarged to the size of the frame in one step, after holes of a few pixels of theirs were filled. On prompted frames, what is
  remembered and corrected by later points has no such holes either.

Objects that remember equally much go through memory attention together, which transformers does one by one.

Frames are prepared when they are needed. Their features are computed once while they fit a budget, for all objects. Each object remembers
the few latest frames that the network looks at, and all of its prompted ones: the network looks at these on every frame, so that memory
and time grow with their number. The more objects remember, the fewer go together.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import EdgeTamVideoConfig, EdgeTamVideoModel, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

from segmo.geometry import resample_image, resize_logits
from segmo.networks.precision import reduced
from segmo.networks.repvit import with_own_encoder
from segmo.networks.weights import load_published
from segmo.parallel import parallel_map
from segmo.types import Bool, UInt8

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
PREVIOUS_LIMIT = 32.0
"""Largest size of the logits of an earlier mask."""
FEATURE_BYTES = 2 << 30
"""Memory for features of frames, enough for a hundred of 1024 x 1024 in float32."""
HOLE = 8
"""Pixels of the network's masks, a quarter of its side, up to which a hole is filled."""
TOGETHER = 8
"""Objects that are followed together at most."""
MEMORY_TOKENS = TOGETHER * 8 * 64**2
"""Tokens of remembered frames that go through memory attention together at most, if they are of several objects; 64 x 64 are a frame of
SAM 2. By the sizes of the tensors made of them, an object with 8 frames takes about 0.2 GB meanwhile, and all together less than 2 GB."""
AHEAD = 4
"""Frames whose features are computed together on a GPU, which one frame alone does not fill."""
FILLED = 0.1
"""Logit of what was a hole."""

Points = npt.NDArray[np.float32]
Logits = npt.NDArray[np.float32]
NO_POINTS: Points = np.zeros((0, 2), np.float32)


def with_earlier_mask(session: ObjectSession, arguments: dict[str, Any]) -> dict[str, Any]:
    """Adds the mask that new points correct, which transformers' forward leaves out, to what one pass takes."""
    earlier, session.earlier_mask = session.earlier_mask, None
    return {**arguments, "inference_session": session, "prev_sam_mask_logits": earlier}


class Sam2Video(Sam2VideoModel):  # type: ignore[no-untyped-call]
    """SAM 2 and SAM 2.1 of any size."""

    def _run_single_frame_inference(self, inference_session: Any, **arguments: Any) -> dict[str, Any]:  # type: ignore[override]
        return super()._run_single_frame_inference(**with_earlier_mask(inference_session, arguments))


class EdgeTamConfig(EdgeTamVideoConfig):  # type: ignore[no-untyped-call]
    """EdgeTAM's configuration as published, but for its encoder, which would need another library."""

    @classmethod
    def from_dict(cls, config_dict: dict[str, Any], **options: Any) -> EdgeTamConfig:
        """The configuration from what `config.json` holds."""
        return super().from_dict(with_own_encoder(config_dict), **options)


class EdgeTamVideo(EdgeTamVideoModel):  # type: ignore[no-untyped-call]
    """EdgeTAM."""

    config_class = EdgeTamConfig

    def _run_single_frame_inference(self, inference_session: Any, **arguments: Any) -> dict[str, Any]:  # type: ignore[override]
        return super()._run_single_frame_inference(**with_earlier_mask(inference_session, arguments))


def load_sam2(folder: Path) -> Sam2Video:
    """SAM 2 from a folder of the hub.

    Raises:
        WeightsError: the folder does not hold it.
    """
    return load_published(Sam2Video, folder, "SAM 2")


def load_edgetam(folder: Path) -> EdgeTamVideo:
    """EdgeTAM from a folder of the hub, with its encoder made fast for use.

    Raises:
        WeightsError: the folder does not hold the model.
    """
    network: EdgeTamVideo = load_published(EdgeTamVideo, folder, "EdgeTAM")
    network.vision_encoder.backbone.timm_model.fused()
    return network


class FrameFeatures:
    """Features of the frames used last, as many as fit a budget; stands in for the cache of transformers' sessions."""

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.computed = 0
        """How many times features were computed."""
        self._frames: OrderedDict[int, list[Tensor]] = OrderedDict()
        self._positions: list[Tensor] = []  # the same for all frames

    def __contains__(self, frame: int) -> bool:
        return frame in self._frames

    def get_vision_features(self, frame_idx: int) -> dict[str, Any] | None:
        """What was cached for a frame, or None."""
        if frame_idx not in self._frames:
            return None
        self._frames.move_to_end(frame_idx)
        return {"vision_feats": self._frames[frame_idx], "vision_pos_embeds": self._positions}

    def cache_vision_features(self, frame_idx: int, features: dict[str, Any]) -> None:
        """Remember the features of a frame, and forget those not used for longest."""
        self.computed += 1
        self._positions = self._positions or features["vision_pos_embeds"][-1:]  # the coarsest: no other is looked at
        self._frames[frame_idx] = list(features["vision_feats"])
        each = sum(level.numel() * level.element_size() for level in self._frames[frame_idx])
        while len(self._frames) > max(1, self.limit_bytes // each):
            self._frames.popitem(last=False)


class ObjectSession(Sam2VideoInferenceSession):
    """What the network was told of one object and remembers of it. Sessions of one clip share its frames and their features."""

    def __init__(self, segmenter: VideoSegmenter) -> None:
        super().__init__(inference_device=segmenter.device, inference_state_device=segmenter.device, dtype=torch.float32)
        self._segmenter = segmenter
        self.cache: Any = segmenter.features
        self.earlier_mask: Tensor | None = None
        self.obj_id_to_idx(1)

    @property
    def num_frames(self) -> int:
        """Frames of the clip."""
        return len(self._segmenter.frames)

    def get_frame(self, frame_idx: int) -> Tensor:
        """A frame as the network takes it."""
        return self._segmenter.prepare(frame_idx)

    @property
    def prompted(self) -> dict[int, Any]:
        """Outputs on the frames that were prompted."""
        return self.output_dict_per_obj[0]["cond_frame_outputs"]

    def prompt(self, frame: int, points: Tensor, labels: Tensor) -> None:
        """Replace the points on a frame; the next pass over it takes them in."""
        if frame in self.prompted:
            self.earlier_mask = self.prompted[frame]["pred_masks"].clamp(-PREVIOUS_LIMIT, PREVIOUS_LIMIT)
        self.add_point_inputs(0, frame, {"point_coords": points, "point_labels": labels})
        self.obj_with_new_inputs = [1]

    @torch.inference_mode()
    def fill_prompted(self, network: Any, frame: int, hole: int) -> None:
        """Fill holes of at most `hole` pixels in what is remembered of a prompted frame, and in what later points on it correct."""
        output = self.prompted.get(frame)
        if output is None:  # followed to it before it was prompted
            return
        mask = output["pred_masks"]
        logits = plain(mask)
        filled = fill_holes(logits, hole)
        if filled is logits:
            return
        output["pred_masks"] = torch.from_numpy(filled).to(mask).reshape(mask.shape)
        size = (network.image_size, network.image_size)
        large = F.interpolate(output["pred_masks"].float(), size, mode="bilinear", align_corners=False).to(mask.dtype)
        features, _ = network._prepare_vision_features(self, frame, 1)
        remembered = network._encode_new_memory(features[-1], large, output["object_score_logits"], True)
        output["maskmem_features"], output["maskmem_pos_enc"] = remembered

    def forget(self, frame: int, memories: int, pointers: int) -> None:
        """Keep of the frames followed so far what a pass over the next frame, or one back from the first prompted frame, looks at.

        Any pass looks at all prompted frames. Each takes less than 2 MB in SAM 2.
        """
        start = min(self.prompted)
        for kept in self.output_dict_per_obj[0].values():
            for output in kept.values():
                output.pop("high_res_masks", None)  # the largest by far, and of no more use
        followed = self.output_dict_per_obj[0]["non_cond_frame_outputs"]
        for other in list(followed):
            distance = min(abs(frame - other), abs(start - other))
            if distance >= pointers:
                del followed[other]
            elif distance >= memories:
                followed[other] = {"object_pointer": followed[other]["object_pointer"]}


class Memory(NamedTuple):
    """What an object remembers, as memory attention takes it."""

    values: Tensor
    """(tokens, 1, C)"""
    places: Tensor
    """Encodes where and when each token is from, in the same shape."""
    frames: int
    """How many frames the first tokens are of."""
    pointers: int
    """How many tokens at the end stand for whole frames."""


class Layout(NamedTuple):
    """How much an object remembers; memories of the same layout can be looked at together."""

    tokens: int
    """Those of frames."""
    frames: int
    pointers: int
    """Frames that tokens stand for as a whole."""


def layout(network: Any, session: ObjectSession, frame: int, reverse: bool) -> Layout:
    """That of what `recall` would give, which is large where many frames were prompted, without making it."""
    found = [output["maskmem_features"] for _, output in network._gather_memory_frame_outputs(session, 0, frame, reverse) if output]
    offsets, _, _ = network._get_object_pointers(session, 0, frame, session.num_frames, network.device, reverse)
    return Layout(sum(features.numel() for features in found) // network.mem_dim, len(found), len(offsets))


def recall(network: Any, session: ObjectSession, frame: int, reverse: bool) -> Memory:
    """What the network looks at of an object's memory when it follows it to a frame."""
    found = network._gather_memory_frame_outputs(session, 0, frame, reverse)
    values, places = network._build_memory_attention_inputs(found, network.device)
    frames, pointers = len(values), 0
    offsets, tokens, most = network._get_object_pointers(session, 0, frame, session.num_frames, network.device, reverse)
    if tokens:
        pointed, when = network._process_object_pointers(offsets, tokens, most, 1, network.hidden_dim, network.device)
        values, places, pointers = [*values, pointed], [*places, when], len(pointed)
    return Memory(torch.cat(values).to(session.dtype), torch.cat(places), frames, pointers)


@torch.inference_mode()
def follow(network: Any, sessions: Sequence[ObjectSession], frame: int, reverse: bool) -> list[Tensor]:
    """Follow objects to a frame on which none of them was prompted; they remember what they were there.

    Args:
        network: Sam2Video or EdgeTamVideo.
        sessions: of one clip.
        reverse: whether from the frame after it.

    Returns:
        (1, 1, h, w) logits of each.
    """
    features, places = network._prepare_vision_features(sessions[0], frame, 1)
    groups: dict[Layout, list[int]] = {}
    for index, session in enumerate(sessions):
        groups.setdefault(layout(network, session, frame, reverse), []).append(index)
    masks: dict[int, Tensor] = {}
    for remembered, alike in groups.items():
        together = max(1, min(TOGETHER, MEMORY_TOKENS // remembered.tokens))
        for first in range(0, len(alike), together):
            part = alike[first : first + together]
            objects = [sessions[index] for index in part]
            seen = _look_back(network, [recall(network, each, frame, reverse) for each in objects], features[-1], places[-1])
            masks |= zip(part, _decide(network, objects, frame, reverse, features, seen), strict=True)
    return [masks[index] for index in range(len(sessions))]


def _look_back(network: Any, memories: Sequence[Memory], features: Tensor, places: Tensor) -> Tensor:
    """(objects, tokens, C) a frame's (tokens, 1, C) features after they have seen memories of the same layout."""
    alike, count = memories[0], len(memories)
    attended: Tensor = network.memory_attention(
        current_vision_features=features.expand(-1, count, -1),
        current_vision_position_embeddings=places.expand(-1, count, -1),
        memory=torch.cat([memory.values for memory in memories], 1),
        memory_posision_embeddings=torch.cat([memory.places for memory in memories], 1),
        num_object_pointer_tokens=alike.pointers,
        **({"num_spatial_memory_tokens": alike.frames} if isinstance(network, EdgeTamVideo) else {}),
    )
    return attended[0]


def _decide(
    network: Any, sessions: Sequence[ObjectSession], frame: int, reverse: bool, features: Sequence[Tensor], seen: Tensor
) -> Iterator[Tensor]:
    """(1, 1, h, w) logits of objects from a frame's features and from (objects, tokens, C) those that have seen their memories.

    The objects remember them.
    """
    count = len(sessions)
    levels = [level.expand(-1, count, -1) for level in features]
    sized = zip([*levels[:-1], seen.transpose(0, 1)], network.backbone_feature_sizes, strict=True)
    maps = [level.permute(1, 2, 0).reshape(count, -1, *size) for level, size in sized]
    found = network._single_frame_forward(image_embeddings=maps, multimask_output=network._use_multimask(False, None))
    masks, large, pointers = (_own(values) for values in (found.pred_masks, found.high_res_masks, found.object_pointer))
    scores, each = found.object_score_logits, [slice(index, index + 1) for index in range(count)]
    if isinstance(network, EdgeTamVideo):  # its resampler takes one at a time
        remembered = [network._encode_new_memory(features[-1], large[one], scores[one], False) for one in each]
    else:
        memory, places = network._encode_new_memory(levels[-1], large, scores, False)
        remembered = [(memory[:, one], places[:, one]) for one in each]
    for one, session, (memory, places) in zip(each, sessions, remembered, strict=True):
        output = {"pred_masks": masks[one], "object_pointer": pointers[one], "object_score_logits": scores[one]}
        output |= {"maskmem_features": memory, "maskmem_pos_enc": places}
        session.store_output(0, frame, output_value=output, is_conditioning_frame=False)
        session.frames_tracked_per_obj[0][frame] = {"reverse": reverse}
        yield masks[one]


def _own(values: Tensor) -> Tensor:
    """(objects, 1, ...) of (objects, objects, ...): where transformers chooses among masks, it pairs each choice with every object."""
    return torch.stack([each[min(index, len(each) - 1)] for index, each in enumerate(values)])[:, None]


class VideoSegmenter:
    """Answers about points of one clip; the Protocol is `PointSegmenter` of `segmo/stages/prompting.py`."""

    def __init__(
        self,
        network: Sam2Video | EdgeTamVideo,
        frames: UInt8,
        precision: torch.dtype = torch.float32,
        feature_bytes: int = FEATURE_BYTES,
        hole: int = HOLE,
    ) -> None:
        """
        Args:
            network: ready to judge, on its device.
            frames: (T, H, W, 3) RGB.
            precision: what the network computes in.
            feature_bytes: memory that features of frames may take; at least one frame's are kept.
            hole: pixels of the network's masks up to which a hole is filled.
        """
        self.network, self.frames, self.precision, self.hole = network, frames, precision, hole
        self.device = network.device
        self.side: int = network.config.image_size  # type: ignore[assignment]
        self.ahead = 1 if self.device.type == "cpu" else AHEAD
        self.features = FrameFeatures(feature_bytes)
        self._sessions: dict[int, ObjectSession] = {}
        self._mean, self._deviation = (torch.tensor(values, device=self.device)[:, None, None] for values in (MEAN, DEVIATION))

    def prepare(self, frame: int) -> Tensor:
        """(3, S, S) input of the network."""
        image = torch.tensor(resample_image(self.frames[frame], (self.side, self.side), "bicubic"), device=self.device)
        return (image.permute(2, 0, 1).float() / 255 - self._mean) / self._deviation

    def reset(self) -> None:
        """Forget all objects, but not the features of frames."""
        self._sessions.clear()

    def add_points(self, frame: int, object_id: int, points_xy: Points, outside_xy: Points = NO_POINTS) -> Bool:
        """The (H, W) mask of an object on a frame from points on it, and beside it, instead of those given before."""
        return self.point_logits(frame, object_id, points_xy, outside_xy) > 0

    def point_logits(self, frame: int, object_id: int, points_xy: Points, outside_xy: Points = NO_POINTS) -> Logits:
        """The same as (H, W) logits."""
        if object_id not in self._sessions:
            self._sessions[object_id] = ObjectSession(self)
        session = self._sessions[object_id]
        height, width = self.frames.shape[1:3]
        points = np.concatenate([points_xy, outside_xy]).astype(np.float32) * self.side / np.array([width, height], np.float32)
        labels = np.repeat([1, 0], [len(points_xy), len(outside_xy)]).astype(np.int32)
        session.prompt(frame, torch.from_numpy(points)[None, None], torch.from_numpy(labels)[None, None])
        answer = self._pass(session, frame, reverse=False)
        with reduced(self.device, self.precision):
            session.fill_prompted(self.network, frame, self.hole)
        return answer

    def propagate(self, object_ids: Sequence[int], *, reverse: bool) -> Iterator[tuple[int, dict[int, Bool]]]:
        """Frame numbers and (H, W) masks of the objects that were prompted before, or after where `reverse`, or there."""
        for frame, logits in self.propagate_logits(object_ids, reverse=reverse):
            yield frame, {number: each > 0 for number, each in logits.items()}

    def propagate_logits(self, object_ids: Sequence[int], *, reverse: bool) -> Iterator[tuple[int, dict[int, Logits]]]:
        """The same as logits."""
        starts = {number: min(self._sessions[number].prompted) for number in object_ids}
        if reverse:
            starts = {number: start for number, start in starts.items() if start > 0}
        order = range(max(starts.values(), default=-1), -1, -1) if reverse else range(min(starts.values()), len(self.frames))
        for frame in order:
            here = {number: self._sessions[number] for number, start in starts.items() if (frame <= start if reverse else frame >= start)}
            if self.ahead > 1 and frame not in self.features:
                self._look_at([other for other in order[order.index(frame) :][: self.ahead] if other not in self.features])
            known = {number: self._pass(session, frame, reverse) for number, session in here.items() if frame in session.prompted}
            others = {number: session for number, session in here.items() if number not in known}
            if others:
                with reduced(self.device, self.precision):
                    masks = follow(self.network, list(others.values()), frame, reverse)
                known |= {number: self._logits(others[number], frame, mask) for number, mask in zip(others, masks, strict=True)}
            yield frame, {number: known[number] for number in here}

    @torch.inference_mode()
    def _look_at(self, frames: Sequence[int]) -> None:
        """Compute features of some frames together."""
        images = torch.stack(list(parallel_map(self.prepare, frames)))
        with reduced(self.device, self.precision):
            seen: Any = self.network.get_image_features(images, return_dict=True)
        for index, frame in reversed(list(enumerate(frames))):  # so that a small budget keeps the first, which is needed now
            one = slice(index, index + 1)
            levels, places = ([level[:, one] for level in kind] for kind in (seen.fpn_hidden_states, seen.fpn_position_encoding))
            self.features.cache_vision_features(frame, {"vision_feats": levels, "vision_pos_embeds": places})

    def _pass(self, session: ObjectSession, frame: int, reverse: bool) -> Logits:
        with reduced(self.device, self.precision):
            output = self.network(session, frame_idx=frame, reverse=reverse)
        return self._logits(session, frame, output.pred_masks)

    def _logits(self, session: ObjectSession, frame: int, mask: Tensor) -> Logits:
        """(H, W) from what the network says; what is not needed any more is forgotten."""
        session.forget(frame, self.network.num_maskmem, self.network.config.max_object_pointers_in_encoder)
        height, width = self.frames.shape[1:3]
        return resize_logits(fill_holes(plain(mask), self.hole), (height, width))


def plain(mask: Tensor) -> Logits:
    """(h, w) logits of one mask as an array."""
    return np.asarray(mask.float().reshape(mask.shape[-2:]).cpu().numpy(), np.float32)


def fill_holes(logits: Logits, size: int) -> Logits:
    """(h, w) logits of a mask without its holes, and gaps to the border, of at most `size` pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats((logits <= 0).astype(np.uint8), connectivity=8)
    small = stats[:, cv2.CC_STAT_AREA] <= size
    small[0] = False
    return np.where(small[labels], np.float32(FILLED), logits) if small.any() else logits
