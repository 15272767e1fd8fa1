"""The protocols against published figures, on the layouts of the data sets, against brute force; and what they say of wrong data."""

from __future__ import annotations

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from mask_trees import moving_square, numbered, save, write_grey, write_palette, write_pictures
from PIL import Image

from segmo.errors import DataError
from segmo.evaluation.metrics import boundary_f, region_similarity
from segmo.evaluation.protocols import assign, evaluate_davis17, evaluate_mos, find_annotations
from segmo.evaluation.results import Evaluation, load_evaluation, write_tables
from segmo.evaluation.sequences import LISTS, sequence_list
from segmo.types import finish

TOLERANCE = 1e-6


def mos(pred: Path, gt: Path, **choices: object) -> Evaluation:
    return finish(evaluate_mos(pred, find_annotations(gt, **choices)))  # type: ignore[arg-type]


def davis17(pred: Path, gt: Path) -> Evaluation:
    return finish(evaluate_davis17(pred, find_annotations(gt, dataset="davis", unsupervised=True)))


def rows_of(file: Path) -> dict[str, dict[str, str]]:
    with file.open() as lines:
        return {row["sequence"]: row for row in csv.DictReader(lines)}


@pytest.mark.parametrize(("frames", "table"), [("all", "osvos_all_frames.csv"), ("inner", "osvos_without_first_and_last.csv")])
def test_published_results_of_osvos(shared: Path, frames: str, table: str) -> None:
    evaluation = mos(shared / "davis-dev/results/osvos", shared / "davis-dev/Annotations", frames=frames)
    expected = rows_of(shared / "parity/metrics" / table)
    with (shared / "parity/metrics/osvos_per_frame.csv").open() as lines:
        per_frame = {(row["sequence"], row["frame"]): (float(row["J"]), float(row["F"])) for row in csv.DictReader(lines)}
    assert len(evaluation.rows) == 6
    for row in evaluation.rows:
        assert len(row.frames) == int(expected[row.name]["frames"])
        for column, value in row.measures().items():
            if column != "J&F-Mean":
                key = column[0] + column[1:].lower().replace("-", "_")
                assert value == pytest.approx(float(expected[row.name][key]), abs=TOLERANCE), (row.name, column)
        reference = np.array([per_frame[row.name, frame] for frame in row.frames])
        np.testing.assert_allclose(np.stack([row.j, row.f], axis=1), reference, atol=TOLERANCE, err_msg=row.name)


def test_our_own_output_folder_is_read(tmp_path: Path) -> None:
    truth = moving_square()
    write_grey(tmp_path / "Annotations/480p/a", truth)
    write_palette(tmp_path / "out/a/masks", truth * 2)
    assert mos(tmp_path / "out", tmp_path).overall()["J&F-Mean"] == 1.0


@pytest.mark.parametrize("style", ["white background", "grey bitmap", "palette", "bmp"])
def test_freiburg_annotates_some_frames_and_names_them_its_own_way(tmp_path: Path, style: str) -> None:
    # Neither this test nor the next is called FBMS: its folder would be called so, too, and that is enough to tell the data set.
    truth = moving_square(10)
    own = tmp_path / "Testset/cars1"
    write_pictures(own, [f"cars1_{number:02d}" for number in range(1, 11)])
    for number in (1, 4, 10):
        write_fbms_mask(own / "GroundTruth", truth[number - 1], number, style)
    predicted = truth.copy()
    predicted[3] = False
    write_palette(tmp_path / "named/cars1/masks", predicted, [f"cars1_{number:02d}" for number in range(1, 11)])
    write_palette(tmp_path / "renumbered/cars1", predicted)
    for folder in ("named", "renumbered"):
        row = mos(tmp_path / folder, tmp_path).rows[0]
        assert len(row.frames) == 3
        np.testing.assert_array_equal(row.j, [1, 0, 1])


def write_fbms_mask(folder: Path, mask: np.ndarray, number: int, style: str) -> None:
    objects = mask.astype(np.uint8)
    if style == "white background":
        colours = np.full((*mask.shape, 3), 255, np.uint8)
        colours[mask] = (0, 0, 255)
        save(Image.fromarray(colours), folder / f"cars1_{number:04d}_gt.ppm")
        save(Image.fromarray(255 - objects * 128), folder / f"cars1_{number:04d}_PROB_gt.ppm")
    elif style == "grey bitmap":
        save(Image.fromarray(objects * 60), folder / f"cars1_{number:03d}.pgm")
    elif style == "bmp":
        save(Image.fromarray(objects * 255), folder / f"{number:03d}_gt.bmp")
    else:
        write_palette(folder, objects[None] * 3, [f"{number:03d}"])


def test_freiburg_without_pictures_is_matched_by_number_but_never_by_guess(tmp_path: Path) -> None:
    truth = moving_square(4)
    write_palette(tmp_path / "fbms/people1", truth[[0, 3]], ["people1_0001", "people1_0004"])
    write_palette(tmp_path / "pred/people1", truth, ["1", "2", "3", "4"])
    assert mos(tmp_path / "pred", tmp_path / "fbms").overall()["J-Mean"] == 1.0
    write_palette(tmp_path / "renumbered/people1", truth)
    with pytest.raises(DataError, match=r"unclear which masks of .*renumbered"):
        mos(tmp_path / "renumbered", tmp_path / "fbms")
    write_pictures(tmp_path / "pictures/people1", [f"people1_{number:04d}" for number in range(1, 5)])
    assert mos(tmp_path / "renumbered", tmp_path / "fbms", images=tmp_path / "pictures").overall()["J-Mean"] == 1.0


def test_segtrack_objects_are_joined(tmp_path: Path) -> None:
    left, right = moving_square(), moving_square(start=20)
    names = [f"bmx_{number:05d}" for number in range(6668, 6674)]
    write_grey(tmp_path / "GroundTruth/bmx/1", left, names)
    write_grey(tmp_path / "GroundTruth/bmx/2", right, names)
    write_grey(tmp_path / "GroundTruth/girl", left)
    write_palette(tmp_path / "pred/bmx", left | right, names)
    write_palette(tmp_path / "pred/girl", left)
    assert mos(tmp_path / "pred", tmp_path).overall()["J-Mean"] == 1.0
    (tmp_path / "GroundTruth/bmx/2/bmx_06670.png").unlink()
    with pytest.raises(DataError, match=r"'bmx_06670' is annotated in only one of .*bmx/1 and .*bmx/2"):
        mos(tmp_path / "pred", tmp_path)


class TestMistakes:
    """Wrong data are named, never scored or skipped."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        for name in ("a", "b"):
            write_grey(tmp_path / "gt" / name, moving_square())
            write_palette(tmp_path / "pred" / name, moving_square())
        return tmp_path

    def fails(self, tree: Path, message: str, **choices: object) -> None:
        with pytest.raises(DataError, match=message):
            mos(tree / "pred", tree / "gt", **choices)

    def test_missing_sequence(self, tree: Path) -> None:
        for file in (tree / "pred/b").iterdir():
            file.unlink()
        self.fails(tree, "no predicted masks of sequence 'b' in .*pred/b")

    def test_missing_annotation(self, tree: Path) -> None:
        (tree / "list.txt").write_text("a\nc\n")
        self.fails(tree, "no annotations of sequence 'c' in .*gt/c", sequences=str(tree / "list.txt"))

    def test_missing_frame(self, tree: Path) -> None:
        (tree / "pred/a/00003.png").unlink()
        self.fails(tree, r"no predicted mask for .*gt/a/00003\.png in .*pred/a")

    def test_other_size(self, tree: Path) -> None:
        save(Image.new("L", (30, 20)), tree / "pred/a/00002.png")
        self.fails(tree, r"pred/a/00002\.png is 30x20 but its annotation .*gt/a/00002\.png is 60x40")

    def test_annotations_of_two_sizes(self, tree: Path) -> None:
        save(Image.new("L", (30, 20)), tree / "gt/a/00002.png")
        self.fails(tree, r"gt/a/00002\.png is 30x20 but .*gt/a/00000\.png is 60x40")

    @pytest.mark.parametrize("content", [b"", b"no picture", None])
    def test_unreadable_file(self, tree: Path, content: bytes | None) -> None:
        file = tree / "pred/a/00001.png"
        file.write_bytes(file.read_bytes()[:60] if content is None else content)
        self.fails(tree, r"pred/a/00001\.png cannot be read")

    def test_no_such_folder(self, tree: Path) -> None:
        with pytest.raises(DataError, match=r"no folder of annotations .*nowhere"):
            mos(tree / "pred", tree / "nowhere")

    def test_folder_without_sequences(self, tree: Path) -> None:
        (tree / "empty").mkdir()
        with pytest.raises(DataError, match=r"No folder of a sequence with mask images was found in .*empty"):
            mos(tree / "pred", tree / "empty")

    def test_nothing_left_of_a_short_sequence(self, tree: Path) -> None:
        for name in numbered(4, first=2):
            (tree / f"gt/a/{name}.png").unlink()
        self.fails(tree, "'a' has 2 annotated frames", frames="inner")


def test_davis17_assignment_is_the_best_of_all(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    coarse = random.integers(0, 4, (4, 5, 6))
    truth = np.kron(coarse, np.ones((1, 8, 8), int)).astype(np.uint8)
    truth[0, :8, :24] = np.repeat([1, 2, 3], 8)  # all objects are on the first frame
    predicted = (truth * 3 + 1) % 5 + (random.random(truth.shape) > 0.9)
    write_palette(tmp_path / "gt/a", truth)
    write_palette(tmp_path / "pred/a", predicted)
    rows = davis17(tmp_path / "pred", tmp_path / "gt").rows
    found = sum(row.measures()["J&F-Mean"] for row in rows)
    best = max(
        sum(
            (region_similarity(predicted == p, truth == k).mean() + boundary_f(predicted == p, truth == k).mean()) / 2
            for k, p in enumerate(chosen, start=1)
        )
        for chosen in itertools.permutations(range(1, predicted.max() + 1), 3)
    )
    assert [row.name for row in rows] == ["a_1", "a_2", "a_3"]
    assert found == pytest.approx(best)


def test_assignment_of_random_scores_is_the_best_of_all() -> None:
    random = np.random.default_rng(1)
    for _ in range(20):
        j, f = random.random((2, 5, 3, 4))
        chosen, objects = assign(j, f)
        scores = (j + f).mean(axis=2) / 2
        assert list(objects) == [0, 1, 2]
        assert scores[chosen, objects].sum() == pytest.approx(
            max(scores[list(p), [0, 1, 2]].sum() for p in itertools.permutations(range(5), 3))
        )


def test_davis17_ignores_void_and_gives_missing_objects_zero(tmp_path: Path) -> None:
    truth = moving_square().astype(np.uint8) + 2 * moving_square(start=30, step=2).astype(np.uint8)
    predicted = np.where(truth == 1, 7, 0).astype(np.uint8)
    predicted[:, 30:, :] = 9  # an object where nothing counts
    truth[:, 30:, :] = 255
    write_palette(tmp_path / "Annotations_unsupervised/480p/a", truth)
    write_palette(tmp_path / "pred/a", predicted)
    first, second = davis17(tmp_path / "pred", tmp_path).rows
    assert first.measures()["J&F-Mean"] == 1.0
    assert second.measures()["J&F-Mean"] == 0.0


@pytest.mark.parametrize(
    ("place", "j"),
    [
        ("Annotations_unsupervised/480p", 1.0),
        ("Annotations/480p", 144 / (144 + 600)),  # DAVIS 2016: 255 is an object
        ("unsupervised/Annotations/480p", 144 / (144 + 600)),
    ],
)
@pytest.mark.parametrize("given", ["the data set", "the annotations"])
def test_mos_leaves_void_out_where_the_annotations_are_the_unsupervised_ones(tmp_path: Path, place: str, j: float, given: str) -> None:
    truth = moving_square().astype(np.uint8)
    predicted = truth.copy()
    predicted[:, 35:] = 2 * (j == 1.0)  # an object where nothing counts
    truth[:, 30:] = 255
    write_palette(tmp_path / place / "a", truth)
    write_palette(tmp_path / "pred/a", predicted)
    root = (tmp_path / place).parents[1]
    evaluation = mos(tmp_path / "pred", root if given == "the data set" else tmp_path / place)
    assert evaluation.overall()["J-Mean"] == pytest.approx(j)
    assert (evaluation.overall()["F-Mean"] == 1.0) == (j == 1.0)
    inner = mos(tmp_path / "pred", root, frames="inner")
    assert inner.overall()["J-Mean"] == pytest.approx(j)


def test_davis17_rejects_more_than_twenty_objects_and_annotations_without_ids(tmp_path: Path) -> None:
    truth = moving_square(3)
    many = np.tile(np.arange(60, dtype=np.uint8) // 2, (3, 40, 1))
    write_palette(tmp_path / "gt/a", truth)
    write_palette(tmp_path / "pred/a", many)
    with pytest.raises(DataError, match="'a' has 29 predicted objects"):
        davis17(tmp_path / "pred", tmp_path / "gt")
    write_grey(tmp_path / "gt/a", truth)
    with pytest.raises(DataError, match="annotates no object"):
        davis17(tmp_path / "pred", tmp_path / "gt")


def test_davis17_rejects_colours_instead_of_ids(tmp_path: Path) -> None:
    write_palette(tmp_path / "gt/a", moving_square(1))
    save(Image.new("RGB", (60, 40), (9, 0, 0)), tmp_path / "pred/a/00000.png")
    with pytest.raises(DataError, match=r"pred/a/00000\.png is no image of object ids"):
        davis17(tmp_path / "pred", tmp_path / "gt")


def test_tables_have_the_published_columns_and_json_has_everything(tmp_path: Path) -> None:
    truth = moving_square()
    write_grey(tmp_path / "gt/a", truth)
    write_grey(tmp_path / "pred/a", np.roll(truth, 3, axis=2))
    evaluation = mos(tmp_path / "pred", tmp_path / "gt")
    write_tables(evaluation, tmp_path / "out")
    assert (tmp_path / "out/table_g.csv").read_text().splitlines()[0] == "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay"
    header, row = (tmp_path / "out/table_seq.csv").read_text().splitlines()
    assert header == "Sequence,J-Mean,F-Mean"
    assert row.split(",")[:2] == ["a", "0.600000000"]
    content = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert content["rows"][0]["J"] == pytest.approx([0.6] * 6)
    again = load_evaluation(tmp_path / "out")
    assert again.to_dict() == evaluation.to_dict()
    (tmp_path / "out/evaluation.json").write_text('{"rows": 3}')
    with pytest.raises(DataError, match=r"evaluation\.json is not an evaluation"):
        load_evaluation(tmp_path / "out")


def test_a_name_with_a_comma_stays_one_cell(tmp_path: Path) -> None:
    write_grey(tmp_path / "gt/man, walking", moving_square())
    write_grey(tmp_path / "pred/man, walking", moving_square())
    write_tables(mos(tmp_path / "pred", tmp_path / "gt"), tmp_path / "out")
    with (tmp_path / "out/table_seq.csv").open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file))[1] == ["man, walking", "1.000000000", "1.000000000"]


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("davis16-val", 20),
        ("davis16-train", 30),
        ("davis17-val", 30),
        ("davis17-train", 60),
        ("davis17-moving-val", 22),
        ("fbms59-test", 30),
        ("segtrackv2", 14),
    ],
)
def test_published_lists_have_their_published_lengths(name: str, count: int, tmp_path: Path) -> None:
    names = sequence_list(name, tmp_path)
    assert len(set(names)) == len(names) == count
    assert LISTS[name].source


def test_davis_2016_is_part_of_davis_2017() -> None:
    for part in ("val", "train"):
        assert set(LISTS[f"davis16-{part}"].names) < set(LISTS[f"davis17-{part}"].names)
    assert set(LISTS["davis17-moving-val"].names) < set(LISTS["davis17-val"].names)


def test_lists_that_come_with_the_data_and_lists_of_davis_2016_are_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"not published as text .*ImageSets/2016/moving_val\.txt"):
        sequence_list("davis16-moving-val", tmp_path)
    file = tmp_path / "ImageSets/2016/moving_val.txt"
    file.parent.mkdir(parents=True)
    file.write_text("# moving\nblackswan\n\ncows\n")
    (tmp_path / "Annotations/480p").mkdir(parents=True)
    assert sequence_list("davis16-moving-val", tmp_path / "Annotations/480p") == ("blackswan", "cows")
    pairs = tmp_path / "pairs.txt"
    pairs.write_text("".join(f"/JPEGImages/480p/bear/{n}.jpg /Annotations/480p/bear/{n}.png\n" for n in numbered(3)))
    assert sequence_list(str(pairs), tmp_path) == ("bear",)
    with pytest.raises(DataError, match="no list or file of sequences 'davis99'"):
        sequence_list("davis99", tmp_path)
    pairs.write_bytes("\ufeffa man, walking\r\n  cows  \r\n".encode())
    assert sequence_list(str(pairs), tmp_path) == ("a man, walking", "cows")
    pairs.write_text("\n")
    with pytest.raises(DataError, match=r"pairs\.txt names none"):
        sequence_list(str(pairs), tmp_path)
