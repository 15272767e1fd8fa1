"""Random scenes, the stream of samples, data sets on disk, and the commands that write them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from segmo import video
from segmo.cli.main import main
from segmo.datasets import davis
from segmo.errors import DataError, SettingsError
from segmo.synthetic import SceneConfig, catalogue, render, sample_scene
from segmo.synthetic.cameras import Camera, Pose
from segmo.synthetic.dataset import samples, write_dataset, write_scene
from segmo.synthetic.examples import EXAMPLES, write_examples
from segmo.synthetic.materials import random_palette
from segmo.synthetic.scenarios import scenario
from segmo.synthetic.spec import TextureSpec
from segmo.synthetic.textures import KINDS, paint
from segmo.types import finish

SMALL = SceneConfig(hw=(64, 112))
ROOT = Path(__file__).parents[2]


def test_scenes_vary_as_their_settings_say() -> None:
    scenes = [sample_scene(seed) for seed in range(400)]
    movers = np.array([sum(thing.moving for thing in scene.objects) for scene in scenes])
    assert (movers == 0).mean() == pytest.approx(0.07, abs=0.04)
    assert (movers == 1).mean() == pytest.approx(0.5, abs=0.08)
    kinds = {thing.kind for scene in scenes for thing in scene.objects if thing.moving}
    assert kinds >= {"person", "quadruped", "car", "blob", "limbed", "fish", "bicycle"}
    assert not kinds & {"tree", "house", "fence", "rock"}
    with_movers = [scene for scene in scenes if any(thing.moving for thing in scene.objects)]
    follows = np.mean([scene.camera.follow is not None for scene in with_movers])
    assert follows == pytest.approx(0.6 * 0.9, abs=0.08)  # a static camera follows nothing
    textures = {scene.background.far.kind for scene in scenes}
    assert len(textures) > 12
    assert {dynamic.kind for scene in scenes for dynamic in scene.background.dynamics} == {"water", "foliage", "smoke", "flicker"}


def test_roughness_gives_a_bare_surface_detail_that_flow_can_follow() -> None:
    bare = TextureSpec("plain", ((120, 120, 120), (130, 130, 130)), grain=0.0)
    rough = paint(dataclasses.replace(bare, roughness=0.3), (96, 128)).mean(axis=2)
    slope = np.abs(np.diff(rough, axis=1)).mean()
    assert slope > 10 * np.abs(np.diff(paint(bare, (96, 128)).mean(axis=2), axis=1)).mean()


def test_a_drive_brings_the_still_nearer_and_mostly_not_the_car_ahead() -> None:
    config = SceneConfig(drive_share=1.0, mover_shares=(0.0, 1.0), still_shares=(0.0, 1.0))
    kept = 0
    for seed in range(20):
        scene = sample_scene(seed, config)
        mover, still = scene.objects
        pose = Camera(scene.camera, config.hw).pose(4.0)
        centre = np.array([[(side - 1) / 2 for side in config.hw[::-1]]])

        def nearness(inverse_depth: float, pose: Pose = pose, centre: np.ndarray = centre) -> float:
            return float(pose.project(centre, np.array([inverse_depth]))[1][0])

        come_nearer = nearness(still.inverse_depth) / still.inverse_depth - 1
        assert come_nearer > 0
        here, unmoved = nearness(mover.inverse_depth * mover.approach(4.0)), nearness(mover.inverse_depth)
        kept += abs(here - mover.inverse_depth) < 0.4 * (unmoved - mover.inverse_depth)
    assert kept >= 12  # the others come towards the camera


def test_still_things_stand_on_something_unless_they_may_hover() -> None:
    def gaps(hover_share: float) -> tuple[list[float], int]:
        """How far above the ground things end, in pixels, and how many before a wall hang free."""
        config = SceneConfig(hw=(128, 224), hover_share=hover_share, mover_shares=(1.0,), still_shares=(0.0, 1.0), dynamic_share=0.0)
        above, free = [], 0
        for seed in range(50):
            scene = sample_scene(seed, dataclasses.replace(config, camera_shares=(1.0, 0.0, 0.0, 0.0)))
            rows = np.flatnonzero((render(scene, [0.0]).labels[0] == 1).any(axis=1))
            thing, background = scene.objects[0], scene.background
            if not len(rows):
                continue
            if background.ground is None:
                free += bool(rows[-1] < 126 and thing.inverse_depth > background.far_inverse_depth + 0.05)
            elif rows[-1] < 126:
                above.append(background.horizon + thing.inverse_depth / background.ground_slope - rows[-1])
        return above, free

    standing, hanging = gaps(0.0)
    hovering, free = gaps(1.0)
    assert np.quantile(np.abs(standing), 0.75) < 2 and hanging == 0
    assert np.quantile(np.abs(hovering), 0.75) > 10 and free > 3
    assert np.min(standing) > -4  # none sinks in, the mirrored and strongly tilted no more than others; some are hidden below


def test_a_carried_camera_sways_beside_its_path() -> None:
    config = SceneConfig(camera_shares=(0.0, 0.0, 1.0, 0.0))
    carried = [sample_scene(seed, dataclasses.replace(config, bob_share=1.0)).camera for seed in range(10)]
    assert all(camera.shift_x.waves and camera.shift_y.waves for camera in carried)
    assert not any(sample_scene(seed, config).camera.shift_x.waves for seed in range(10))


def test_more_than_the_first_mover_drives() -> None:
    config = SceneConfig(drive_share=1.0, mover_shares=(0.0, 0.0, 1.0))
    pairs = [sample_scene(seed, config).objects[:2] for seed in range(60)]
    first, second = np.mean([[thing.approach.acceleration > 0 for thing in pair] for pair in pairs], axis=0)  # as distance changes steadily
    assert first == 1.0 and 0.3 < second < 0.7


def test_scenes_without_movers_can_be_asked_for() -> None:
    config = SceneConfig(hw=(64, 112), mover_shares=(1.0,), camera_shares=(0.0, 0.0, 0.0, 1.0))
    for seed in range(5):
        scene = render(sample_scene(seed, config), config.times)
        assert not scene.moving_labels.any()


def test_following_keeps_the_mover_in_place() -> None:
    config = SceneConfig(hw=(64, 112), follow_share=1.0, speed=(6.0, 6.0), mover_shares=(0.0, 1.0), camera_shares=(0.0, 1.0, 0.0, 0.0))
    free = SceneConfig(**{**vars(config), "follow_share": 0.0, "camera_shares": (1.0, 0.0, 0.0, 0.0)})

    def travel(settings: SceneConfig) -> float:
        spans = []
        for seed in range(12):
            labels = render(sample_scene(seed, settings), [-4, 4]).labels
            places = [np.nonzero(mask == 1)[1] for mask in labels]
            if all(place.size > 20 for place in places):
                spans.append(abs(float(places[1].mean() - places[0].mean())))
        return float(np.median(spans))

    assert travel(config) < 0.6 * travel(free)


def test_most_movers_can_be_seen() -> None:
    config = SceneConfig(hw=(64, 112), mover_shares=(0.0, 1.0))
    seen = [(render(sample_scene(seed, config), [0.0]).labels == 1).mean() for seed in range(30)]
    assert np.mean(np.array(seen) > 0.005) > 0.7


@pytest.mark.parametrize("kind", KINDS)
def test_every_texture_fills_its_area_repeatably(kind: str) -> None:
    if kind == "photo":
        pytest.importorskip("skimage", reason="photographs as textures need scikit-image")
    spec = TextureSpec(kind, random_palette(np.random.default_rng(1), 3), 3, 12.0 if kind != "photo" else 1.0)
    first = paint(spec, (50, 70))
    assert first.shape == (50, 70, 3) and first.dtype == np.uint8
    np.testing.assert_array_equal(first, paint(spec, (50, 70)))
    assert kind == "plain" or first.std() > 3


def test_every_kind_of_figure_can_be_drawn() -> None:
    config = SceneConfig(hw=(64, 112), mover_shares=(0, 0, 0, 0, 1.0), still_shares=(0, 0, 0, 0, 0, 0, 1.0))
    drawn: set[str] = set()
    for seed in range(20):
        drawn |= {thing.kind for thing in sample_scene(seed, config).objects}
        render(sample_scene(seed, config), [0.0])
    assert len(drawn) > 0.8 * (len(catalogue.FIGURES) + len(catalogue.PROPS))


def test_samples_do_not_depend_on_the_number_of_processes() -> None:
    alone = list(samples(7, 4, SMALL))
    shared = list(samples(7, 4, SMALL, workers=2))
    assert [sample.seed for sample in alone] == [sample.seed for sample in shared]
    for one, other in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(one.frames, other.frames)
        np.testing.assert_array_equal(one.moving_labels, other.moving_labels)
    later = list(samples(7, 2, SMALL, first=2))
    np.testing.assert_array_equal(later[0].frames, alone[2].frames)


def test_a_data_set_is_read_back_like_davis(tmp_path: Path) -> None:
    config = SceneConfig(hw=(64, 112), mover_shares=(0.0, 1.0))
    names = finish(write_dataset(tmp_path, 4, 2, config))
    assert names == ["scene_000000", "scene_000001"]
    annotations = davis.annotation_root(tmp_path)
    assert davis.sequence_names(annotations) == tuple(names)
    truth = np.load(tmp_path / "truth" / "scene_000000.npz", allow_pickle=False)
    moving = truth["moving"][truth["labels"].max(initial=0, axis=(1, 2)) - 1]
    assert moving.shape == (5,)
    keep = np.concatenate([[0], np.where(truth["moving"], np.arange(1, len(truth["moving"]) + 1), 0)])
    mask = np.asarray(Image.open(annotations / "scene_000000" / "00002.png"))
    np.testing.assert_array_equal(mask, keep[truth["labels"][2]])


def test_an_interrupted_data_set_goes_on_where_it_stopped(tmp_path: Path) -> None:
    finish(write_dataset(tmp_path, 3, 1, SMALL))
    picture = tmp_path / "JPEGImages" / "480p" / "scene_000000" / "00000.png"
    before = picture.stat().st_mtime_ns
    finish(write_dataset(tmp_path, 3, 2, SMALL))
    assert picture.stat().st_mtime_ns == before
    assert (tmp_path / "truth" / "scene_000001.npz").exists()
    with pytest.raises(SettingsError, match="at least 1"):
        finish(write_dataset(tmp_path, 3, 0))


@pytest.mark.parametrize(
    ("seed", "changes", "message"),
    [
        (4, {}, "other seed"),
        (3, {"times": (0.0, 1.0)}, "other times"),
        (3, {"hw": (64, 96)}, "other hw"),
        (3, {"mover_shares": (1.0,), "noise": (1.0, 2.0)}, "other mover_shares, noise"),
    ],
)
def test_scenes_of_two_recipes_never_share_a_data_set(tmp_path, seed, changes, message):
    finish(write_dataset(tmp_path, 3, 1, SMALL))
    with pytest.raises(DataError, match=rf"{message}\). Choose another folder, or delete this one\.$"):
        finish(write_dataset(tmp_path, seed, 2, dataclasses.replace(SMALL, **changes)))
    assert not (tmp_path / "truth" / "scene_000001.npz").exists()


def test_scenes_of_an_unknown_recipe_are_refused(tmp_path):
    finish(write_dataset(tmp_path, 3, 1, SMALL))
    (tmp_path / "recipe.txt").write_bytes(b"\xff")
    with pytest.raises(DataError, match=r"recipe\.txt is damaged"):
        finish(write_dataset(tmp_path, 3, 1, SMALL))
    (tmp_path / "recipe.txt").unlink()
    with pytest.raises(DataError, match=r"no recipe\.txt"):
        finish(write_dataset(tmp_path, 3, 1, SMALL))
    assert not (tmp_path / "recipe.txt").exists()


def test_the_truth_of_what_the_camera_all_but_touches_is_finite(tmp_path):
    scene = render(sample_scene(2, SMALL), SMALL.times)
    near = scene.inverse_depth.copy()
    near[0, :4] = 1e6
    write_scene(tmp_path, "near", dataclasses.replace(scene, inverse_depth=near))
    stored = np.load(tmp_path / "truth" / "near.npz", allow_pickle=False)["inverse_depth"]
    assert np.isfinite(stored).all() and stored[0, :4].min() > 6e4
    np.testing.assert_allclose(stored[1:], near[1:], rtol=2e-3)


def test_a_preview_shows_picture_masks_and_depth(tmp_path: Path) -> None:
    spec = scenario("two_crossing", (90, 160), 6)
    write_scene(tmp_path, "crossing", render(spec, [-3, -2, -1, 0]), preview=True)
    info = video.probe(tmp_path / "preview" / "crossing.mp4")
    assert info.hw == (90, 488) and info.frame_count == 4


def test_the_command_writes_scenes_and_reports_bad_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "synthetic", str(tmp_path), "--scenes", "2", "--seed", "1", "--size", "112x64", "--frames", "3", "--workers", "0"]
    assert main([*arguments, "--preview"]) == 0
    assert "2 scenes" in capsys.readouterr().out
    assert len(list((tmp_path / "JPEGImages" / "480p" / "scene_000001").glob("*.png"))) == 3
    assert (tmp_path / "preview" / "scene_000000.mp4").exists()
    assert main([*arguments, "--frames", "4"]) == 2
    assert "other times" in capsys.readouterr().err
    assert main([*arguments, "--size", "big"]) == 2
    assert "448x256" in capsys.readouterr().err
    assert main(["data", "scenario", "nope", str(tmp_path)]) == 2
    assert "two_crossing" in capsys.readouterr().err


def test_the_shipped_examples_are_those_of_the_scenarios(tmp_path: Path) -> None:
    for name in EXAMPLES:
        shipped = ROOT / "examples" / f"{name}.mp4"
        assert shipped.stat().st_size < 600_000
        frames = np.stack([frame for _, frame in video.read_frames(shipped, [0, 40])])
        spec = scenario(name)
        expected = render(spec, [spec.span[0], spec.span[0] + 40]).frames
        assert np.abs(frames.astype(int) - expected).mean() < 6  # as far as H.264 keeps them


def test_examples_are_rebuilt_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segmo.synthetic.examples.scenario", lambda name: scenario(name, (90, 160), 8))
    first, second = ([path.read_bytes() for path in write_examples(tmp_path / folder)] for folder in ("a", "b"))
    assert len(first) == 4 and first == second
