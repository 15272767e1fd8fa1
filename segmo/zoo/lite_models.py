"""The models of the `lite` preset: adapters from the Protocols of the stages to the classical vision of `segmo.lite`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from segmo.geometry import rescale_points, resize_image
from segmo.lite import corrections, cues, descriptors, heading, objects, parallax, refinement, trajectories, verification
from segmo.lite.adoption import SHORTEST_STAY
from segmo.lite.between import sampled_flow
from segmo.lite.flow import GAPS, dense_flow
from segmo.lite.fusion import FusionInputs, Judges
from segmo.lite.inputs import network_input
from segmo.lite.once import once
from segmo.lite.shots import end_at_cuts, shots_of
from segmo.lite.views import FrameViews
from segmo.parallel import parallel_map
from segmo.settings import MaskSettings
from segmo.stages.masks import MaskInputs, no_objects
from segmo.stages.motion import MotionInputs
from segmo.types import (
    Clip,
    DepthMaps,
    FeatureMaps,
    FlowFields,
    Int,
    MotionEvidence,
    MotionLabels,
    ObjectMasks,
    Steps,
    Tracks,
)
from segmo.zoo import lite_pictures
from segmo.zoo.lite_motion import is_fusion, load_flow_graph, load_fusion_graph, motion_probability
from segmo.zoo.registry import LITE_FUSION, LITE_MOTION

if TYPE_CHECKING:
    from segmo.networks.flow_graph import FlowGraph

NETWORK_WEIGHT, CUE_WEIGHT = 0.8, 0.5  # in log odds: both look at the same flow, so they do not simply add up
HEADING_WEIGHT = 7.0  # in log odds: what nothing static can do decides, also against both others
STEADYING = 0.7  # weight of neighbouring frames in the last word
CUE_CHUNK = 20  # frames whose cues are computed at once: fewer steps in Python
MOST_OBJECTS = 255  # that bytes can number


def _need(flow: FlowFields | None) -> FlowFields:
    assert flow is not None, "the pipeline hands flow to every model that needs it"
    return flow


def _known_motion(fields: FlowFields) -> list[dict[int, parallax.EgoMotion]]:
    """What depth has found of the camera's motion, frame by frame and by gap; empty where depth came from the cache or another model."""
    return once(fields, "motion", lambda: [{} for _ in range(fields.flow.shape[1])])


def _import_ahead() -> None:
    """Import what later stages first need of scipy: a second of Python, while flow keeps the other cores busy outside of it."""
    for module in ("scipy.ndimage", "scipy.cluster.hierarchy"):
        importlib.import_module(module)


class LiteFlow:
    """Dense inverse search on a grid of 448 pixels."""

    identity = "lite-flow-7"

    def flow(self, clip: Clip) -> Steps[FlowFields]:
        """Flow at gaps of one and four frames; of the source too, where the sampled ones lie farther apart."""
        Thread(target=_import_ahead, daemon=True).start()
        sampled, gaps = clip.source_indices, np.array(GAPS)[:, None]
        there = sampled[np.clip(np.arange(len(clip)) + gaps, 0, len(clip) - 1)]
        if not len(clip.between):
            found = yield from dense_flow(lite_pictures.grey(clip))
            end_at_cuts(found, sampled, there, lite_pictures.cuts(clip))
            return FlowFields(found.flow, found.error, found.valid, GAPS, clip.hw)
        found, now = yield from sampled_flow(lite_pictures.by_index(clip), sampled.tolist(), clip.step)
        end_at_cuts(found, sampled, there, lite_pictures.cuts(clip))
        end_at_cuts(now, sampled, sampled + gaps * clip.step, lite_pictures.cuts(clip))
        return FlowFields(found.flow, found.error, found.valid, GAPS, clip.hw, now.flow, now.error, now.valid)


class LiteTracks:
    """Chained flow."""

    identity = "lite-tracks-1"
    needs_flow = True

    def track(self, clip: Clip, query_points: npt.NDArray[np.float32], flow: FlowFields | None) -> Steps[Tracks]:
        """Follow the query points through the clip."""
        fields = _need(flow)
        points = np.column_stack([query_points[:, :1], rescale_points(query_points[:, 1:], clip.hw, fields.grid_hw)])
        chained = yield from trajectories.chain(fields.flow, fields.photometric_error, fields.valid, points)
        positions = rescale_points(chained.positions, fields.grid_hw, clip.hw)
        query = query_points[:, 0].astype(np.int64)
        positions[np.arange(len(query)), query] = query_points[:, 1:]  # exact, not rounded by two changes of grid
        return Tracks(positions, chained.visibility.astype(np.float32), chained.confidence.astype(np.float32), query, clip.hw)


class LiteDepth:
    """Relative inverse depth from motion parallax."""

    identity = "lite-depth-5"
    needs_flow = True

    def depth(self, clip: Clip, flow: FlowFields | None) -> Steps[DepthMaps]:
        """Inverse depth on half the flow grid; frames whose camera does not translate are marked unreliable."""
        fields = _need(flow).momentary
        hw = (fields.grid_hw[0] // 2, fields.grid_hw[1] // 2)
        maps = np.zeros((len(clip), *hw), np.float16)
        reliable, known, pictures = np.zeros(len(clip), np.bool_), _known_motion(fields), lite_pictures.pictures(clip)

        def one(t: int) -> npt.NDArray[np.float32] | None:
            guide = resize_image(pictures[t], hw)
            return parallax.depth_of_frame(fields.flow[:, t], fields.valid[:, t], guide, known[t])

        for t, answer in enumerate(parallel_map(one, range(len(clip)))):
            if answer is not None:
                maps[t], reliable[t] = answer, True
            yield (t + 1) / len(clip)
        unseen = len(clip) - int(reliable.sum())
        note = f"Depth is unreliable in {unseen} of {len(clip)} frames: the camera does not travel there, so nothing shows what is near."
        return DepthMaps(maps, reliable, (note,) if unseen else ())


class LiteFeatures:
    """Colour and texture descriptors."""

    identity = "lite-features-3"

    def describe(self, clip: Clip, frames: Int) -> Steps[FeatureMaps]:
        """Descriptors of the query frames."""
        pictures, described = lite_pictures.pictures(clip), []
        for features in parallel_map(lambda t: descriptors.describe(pictures[t]).astype(np.float16), frames):
            described.append(features)
            yield len(described) / len(frames)
        return FeatureMaps(np.stack(described), frames)


@dataclass(frozen=True, eq=False)
class _Look:
    """What the flow of one frame shows."""

    opinion: npt.NDArray[np.float32]
    """(h, w) of the network."""
    error: npt.NDArray[np.uint8]
    """(G, h, w) photometric error."""
    residual: npt.NDArray[np.float16]
    """(h, w, 2) what the homography leaves of flow over four frames, ahead in time."""
    residuals: cues.Residuals
    test: verification.FrameTest | None
    motion: parallax.EgoMotion | None


@dataclass(frozen=True, eq=False)
class Judged:
    """What is known of a clip of T frames before the second network, on half the flow grid."""

    judges: Judges
    against: npt.NDArray[np.float32]
    """(T, h, w) evidence in [0, 1] of motion against the heading of a camera that drives ahead."""
    lab: npt.NDArray[np.uint8]
    """(T, h, w, 3) CIE L*a*b*."""
    links: refinement.FlowLinks

    def inputs(self, shot: slice) -> FusionInputs:
        """Inputs of the second network for the frames of a shot."""
        return FusionInputs(self.judges.part(shot), self.lab[shot], self.links.part(shot))


@dataclass(frozen=True, eq=False)
class Observation:
    """What stands out in a clip of T frames, on half the flow grid."""

    probability: npt.NDArray[np.float32]
    """(T, h, w) that a pixel moves, according to all judges and the colours of the clip."""
    opinion: npt.NDArray[np.float32]
    """(T, h, w) the same according to the judges of single frames."""
    against: npt.NDArray[np.float32]
    """(T, h, w) evidence in [0, 1] of motion against the heading of a camera that drives ahead."""
    tests: list[verification.FrameTest | None]
    """What each frame says for and against it."""
    seam: npt.NDArray[np.float32]
    """(T, h, w) probability that two movers meet at a pixel."""


class LiteMotion:
    """A network on flow and what stands out of the residuals: each sees movers that the other misses, and a second network weighs both."""

    identity = f"lite-motion-22-{LITE_MOTION.sha256[:12]}-{LITE_FUSION.sha256[:12]}"
    needs_flow = True

    def __init__(self, network: FlowGraph | None = None, fusion: FlowGraph | None = None) -> None:
        self._network, self._fusion = network, fusion  # ours are loaded for evidence only: to decide again needs no weights

    @classmethod
    def trained(cls, paths: Sequence[Path]) -> LiteMotion:
        """The model with weights of the first, the second or both networks from another training.

        Raises:
            WeightsError: they do not fit.
        """
        networks: dict[str, FlowGraph] = {}
        for path in paths:
            if is_fusion(path):
                networks["fusion"] = load_fusion_graph(path, sha256="")
            else:
                networks["network"] = load_flow_graph(path, sha256="")
        return cls(**networks)

    def evidence(self, inputs: MotionInputs) -> Steps[MotionEvidence]:
        """Probability maps on half the flow grid, pooled along the tracks."""
        seen = yield from self.observe(inputs.clip, _need(inputs.flow))
        shots = shots_of(_need(inputs.flow).valid)
        maps, moving_score = verification.verify_shots(seen.probability, seen.opinion, seen.against, seen.tests, shots)
        positions = rescale_points(inputs.tracks.positions_xy, inputs.clip.hw, maps.shape[1:])
        tracks = trajectories.pool(maps, positions, inputs.tracks.visibility * inputs.tracks.confidence)
        camera, seam = verification.describe_camera(seen.tests), seen.seam.astype(np.float16)
        notes = (*lite_pictures.notes(inputs.clip), *_told_of_cuts(shots))
        return MotionEvidence(np.clip(tracks, 0, 1), maps.astype(np.float16), moving_score, camera, notes, seam)

    def judge(self, clip: Clip, fields: FlowFields) -> Steps[Judged]:
        """What single frames show, and what that comes to along the flow."""
        frames, hw = len(clip), (fields.grid_hw[0] // 2, fields.grid_hw[1] // 2)
        now, known = fields.momentary, _known_motion(fields.momentary)
        around = lite_pictures.pictures_around(clip)
        model = self._network = self._network or load_flow_graph()

        def look(t: int) -> _Look:
            views = FrameViews(now.flow[:, t], now.valid[:, t], known[t])
            seen = network_input(views, now.photometric_error[:, t])
            test = verification.test_frame(views, partial(around, t))
            motion, gap = heading.motion_ahead(views), verification.longest_gap(views)
            ahead = np.zeros((*hw, 2), np.float16) if gap is None else (views.towards(gap).residual * np.sign(gap)).astype(np.float16)
            return _Look(motion_probability(seen, model), seen.error, ahead, cues.frame_residuals(views), test, motion)

        looks, cue_chunks = list[_Look](), list[Future[npt.NDArray[np.floating[Any]]]]()
        with ThreadPoolExecutor(1) as beside:  # mostly Python: it takes next to no time from the networks
            for seen in parallel_map(look, range(frames)):
                looks.append(seen)
                if len(looks) % CUE_CHUNK == 0 or len(looks) == frames:
                    chunk = [one.residuals for one in looks[CUE_CHUNK * len(cue_chunks) :]]
                    cue_chunks.append(beside.submit(cues.motion_cue, chunk))
                yield 0.8 * len(looks) / frames
        network, tests = np.stack([seen.opinion for seen in looks]), [seen.test for seen in looks]
        cue = np.concatenate([chunk.result() for chunk in cue_chunks])
        shots, motions = shots_of(fields.valid), [seen.motion for seen in looks]
        standing_out = np.stack([resize_image(frame, hw) for shot in shots for frame in cues.cue_probability(cue[shot])])
        driven = [heading.driven_against(now.flow[:, shot], now.valid[:, shot], tests[shot], motions[shot]) for shot in shots]
        against = np.concatenate(driven)
        evidence = NETWORK_WEIGHT * cues.logit(network) + CUE_WEIGHT * cues.logit(standing_out) + HEADING_WEIGHT * against
        links = flow_links(fields, hw)
        joint = cues.sigmoid(links.smooth(cues.logit(cues.sigmoid(evidence))))
        errors, residual = np.stack([seen.error for seen in looks]), np.stack([seen.residual for seen in looks]).astype(np.float32)
        judges = Judges(network, standing_out, joint, residual, errors, tests)
        return Judged(judges, against, lite_pictures.lab(clip, hw), links)

    def observe(self, clip: Clip, fields: FlowFields) -> Steps[Observation]:
        """What moves according to all judges, before it is asked whether a static scene could look the same."""
        judged = yield from self.judge(clip, fields)
        model = self._fusion = self._fusion or load_fusion_graph()
        shots = shots_of(fields.valid)
        frames = [(inputs, t) for shot in shots for inputs in [judged.inputs(shot)] for t in range(shot.stop - shot.start)]

        def judge(frame: tuple[FusionInputs, int]) -> npt.NDArray[np.float32]:
            inputs, t = frame
            seen = inputs.frame(t)
            return model.logits(seen.planes, seen.error, seen.scales)

        logits = np.stack(list(parallel_map(judge, frames)))
        yield 0.95
        moving = cues.logit(cues.sigmoid(logits[:, 0] + HEADING_WEIGHT * judged.against))
        probability = cues.sigmoid(judged.links.smooth(moving, STEADYING))
        opinion = np.maximum(judged.judges.network, judged.against)
        return Observation(probability, opinion, judged.against, judged.judges.tests, cues.sigmoid(logits[:, 1]))

    def decide(self, evidence: MotionEvidence, tracks: Tracks, threshold: float | None) -> MotionLabels:
        """Label the tracks."""
        used = 0.5 if threshold is None else threshold
        moving = evidence.track_probability > used
        if threshold is None and evidence.moving_score < 0.5:
            moving = np.zeros_like(moving)
        return MotionLabels(evidence, moving, used)


class LiteMasks:
    """Objects told apart, and outlines drawn to the edges of the picture."""

    identity = "lite-masks-23"
    needs_flow = True

    def segment(self, inputs: MaskInputs, settings: MaskSettings) -> Steps[ObjectMasks]:
        """Masks at the size of the sampled frames."""
        clip, fields, evidence = inputs.clip, _need(inputs.flow), inputs.labels.evidence
        hw = evidence.probability_maps.shape[1:]
        lab = lite_pictures.lab(clip, hw)
        yield 0.1
        shift = float(cues.logit(np.array(inputs.labels.threshold)))
        logits = cues.logit(evidence.probability_maps) - shift
        if inputs.labels.nothing_moves:  # but for what is clicked
            logits = np.minimum(logits, -1.0)
        yield 0.4
        meeting = evidence.seam_maps if evidence.seam_maps.size else None
        painted = objects.find_objects(logits > 0, lab, fields.flow, fields.photometric_error, fields.valid, meeting)
        clicked: list[int] = []
        if settings.corrections:
            corrected = corrections.apply_corrections(logits, lab, flow_links(fields, hw), settings.corrections, painted)
            logits = corrected.logits
            painted = objects.find_objects(logits > 0, lab, fields.flow, fields.photometric_error, fields.valid, meeting)
            painted, clicked = corrections.claim_added(painted, corrected.added, settings.corrections)
        yield 0.6
        return finish_masks(clip, logits, painted, evidence, settings, shots_of(fields.valid), clicked)


def flow_links(fields: FlowFields, hw: tuple[int, int]) -> refinement.FlowLinks:
    """Links to neighbouring frames on a grid of `hw`."""
    ahead, back = fields.gap(1), fields.gap(-1)
    return refinement.FlowLinks(fields.flow[ahead], fields.flow[back], fields.photometric_error[[ahead, back]], hw)


def _told_of_cuts(shots: Sequence[slice]) -> tuple[str, ...]:
    told = f"The clip has {len(shots)} shots. An object keeps its number in a later one only where the camera returns to its scene."
    return (told,) if len(shots) > 1 else ()


def finish_masks(
    clip: Clip,
    logits: npt.NDArray[np.float32],
    painted: npt.NDArray[np.int32],
    evidence: MotionEvidence,
    settings: MaskSettings,
    shots: Sequence[slice],
    clicked: Sequence[int] = (),
) -> ObjectMasks:
    """Select the objects worth keeping and those that were clicked, number them by size and bring them to the size of the frames."""
    numbered = np.zeros(painted.shape, np.uint8)
    selected = worth_keeping(painted, settings, clicked, shots)
    for number, kept in enumerate(selected, start=1):
        numbered[painted == kept] = number
    clicked = [number for number, kept in enumerate(selected, start=1) if kept in clicked]
    pictures = lite_pictures.pictures(clip)

    def full_size(t: int) -> npt.NDArray[np.uint8]:
        return refinement.full_size(logits[t], numbered[t], pictures[t], clip.hw)

    labels = np.stack(list(parallel_map(full_size, range(len(clip)))))
    ids = np.array(worth_keeping(labels, settings, clicked, shots), np.int64)  # drawing to the edges can swallow the smallest
    if not len(ids):
        return no_objects(clip)
    table = np.zeros(256, np.uint8)
    table[ids] = np.arange(1, len(ids) + 1)
    scores = [float(evidence.probability_maps[numbered == k].mean(dtype=np.float64)) for k in ids]
    return ObjectMasks(table[labels], np.arange(1, len(ids) + 1), np.array(scores, np.float32))


def worth_keeping(
    labels: npt.NDArray[np.integer[Any]], settings: MaskSettings, clicked: Sequence[int] = (), shots: Sequence[slice] = ()
) -> list[int]:
    """Ids in (T, h, w) labels, largest first, of objects that are large enough and seen for long enough; `clicked` ones are kept anyway.

    The smallest must be seen for a quarter of their shot, others for as much less as they are larger: a foot that shows on the far side of
    somebody else for a few frames is not one more object.
    """
    area = _areas(labels)
    seen = (area > 0).sum(axis=0)
    quarter = sum(len(labels[shot]) * (area[shot] > 0).any(axis=0) for shot in shots or [slice(None)]) / 4
    total = area.sum(axis=0)
    kept = (total >= settings.min_area * labels[0].size * np.maximum(seen, quarter)) & (seen >= np.minimum(SHORTEST_STAY, quarter))
    kept[0] = False
    by_size = np.argsort(-total, kind="stable")
    largest = [int(k) for k in by_size if kept[k] and k not in clicked][: settings.max_objects]
    return [int(k) for k in by_size if k in largest or (k in clicked and seen[k])][:MOST_OBJECTS]


def _areas(labels: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.int64]:
    """(T, N) pixels of each id from 0 in each frame of (T, h, w) labels."""
    count = int(labels.max()) + 1
    if labels.dtype == np.uint8:  # large pictures with few ids, where comparing is far faster than counting
        return np.array([[np.count_nonzero(frame == k) for k in range(count)] for frame in labels])
    return np.stack([np.bincount(frame.ravel(), minlength=count) for frame in labels])
