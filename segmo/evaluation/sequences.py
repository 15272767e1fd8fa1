"""The published lists of sequences, each with its source, and lists that users bring along."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from segmo.errors import DataError


@dataclass(frozen=True)
class SequenceList:
    """Names of sequences and where they are published."""

    names: tuple[str, ...]
    source: str
    file: str
    """Place of the list in a copy of the data set; empty if the set has no such file."""


def _words(words: str, source: str, file: str = "") -> SequenceList:
    return SequenceList(tuple(words.split()), source, file)


_DAVIS_2016 = "F. Perazzi et al., CVPR 2016; https://davischallenge.org/davis2016/code.html"
_DAVIS_2017 = "J. Pont-Tuset et al., arXiv 1704.00675; https://davischallenge.org/davis2017/code.html"
_UNSUPERVISED_2019 = "S. Caelles et al., arXiv 1905.00737; the list comes with the data, https://davischallenge.org/davis2017/code.html"

LISTS: dict[str, SequenceList] = {
    "davis16-val": _words(
        "blackswan bmx-trees breakdance camel car-roundabout car-shadow cows dance-twirl dog drift-chicane drift-straight goat "
        "horsejump-high kite-surf libby motocross-jump paragliding-launch parkour scooter-black soapbox",
        _DAVIS_2016,
        "ImageSets/480p/val.txt",
    ),
    "davis16-train": _words(
        "bear bmx-bumps boat breakdance-flare bus car-turn dance-jump dog-agility drift-turn elephant flamingo hike hockey "
        "horsejump-low kite-walk lucia mallard-fly mallard-water motocross-bumps motorbike paragliding rhino rollerblade "
        "scooter-gray soccerball stroller surf swing tennis train",
        _DAVIS_2016,
        "ImageSets/480p/train.txt",
    ),
    "davis16-moving-val": _words(
        "",
        "N. Huang et al., CVPR 2025 (arXiv 2503.22268): made by the authors and not printed in the paper",
        "ImageSets/2016/moving_val.txt",
    ),
    "davis17-val": _words(
        "bike-packing blackswan bmx-trees breakdance camel car-roundabout car-shadow cows dance-twirl dog dogs-jump drift-chicane "
        "drift-straight goat gold-fish horsejump-high india judo kite-surf lab-coat libby loading mbike-trick motocross-jump "
        "paragliding-launch parkour pigs scooter-black shooting soapbox",
        _DAVIS_2017,
        "ImageSets/2017/val.txt",
    ),
    "davis17-train": _words(
        "bear bmx-bumps boat boxing-fisheye breakdance-flare bus car-turn cat-girl classic-car color-run crossing dance-jump dancing "
        "disc-jockey dog-agility dog-gooses dogs-scale drift-turn drone elephant flamingo hike hockey horsejump-low kid-football "
        "kite-walk koala lady-running lindy-hop longboard lucia mallard-fly mallard-water miami-surf motocross-bumps motorbike "
        "night-race paragliding planes-water rallye rhino rollerblade schoolgirls scooter-board scooter-gray sheep skate-park "
        "snowboard soccerball stroller stunt surf swing tennis tractor-sand train tuk-tuk upside-down varanus-cage walking",
        _DAVIS_2017,
        "ImageSets/2017/train.txt",
    ),
    "davis17-test-dev": _words("", _UNSUPERVISED_2019, "ImageSets/2019/test-dev.txt"),
    "davis17-test-challenge": _words("", _UNSUPERVISED_2019, "ImageSets/2019/test-challenge.txt"),
    "davis17-moving-val": _words(
        "bike-packing blackswan bmx-trees car-shadow cows dance-twirl dog dogs-jump drift-chicane drift-straight goat horsejump-high "
        "judo kite-surf libby mbike-trick motocross-jump paragliding-launch parkour pigs shooting soapbox",
        "A. Dave, P. Tokmakov, D. Ramanan, 'Towards Segmenting Anything That Moves', ICCV 2019 workshops; used by arXiv 2503.22268",
        "ImageSets/2017/moving_val.txt",
    ),
    "fbms59-test": _words(
        "camel01 cars1 cars10 cars4 cars5 cats01 cats03 cats06 dogs01 dogs02 farm01 giraffes01 goats01 horses02 horses04 horses05 "
        "lion01 marple12 marple2 marple4 marple6 marple7 marple9 people03 people1 people2 rabbits02 rabbits03 rabbits04 tennis",
        "P. Ochs et al., PAMI 2014; https://lmb.informatik.uni-freiburg.de/resources/datasets/moseg.en.html (Testset)",
    ),
    "segtrackv2": _words(
        "bird_of_paradise birdfall bmx cheetah drift frog girl hummingbird monkey monkeydog parachute penguin soldier worm",
        "F. Li et al., ICCV 2013; https://web.engr.oregonstate.edu/~lif/SegTrack2/dataset.html",
    ),
}
"""Lists by name. Without names: a list that is not published as text; it is read from the copy of the data set."""


def sequence_list(choice: str, root: Path) -> tuple[str, ...]:
    """The sequences that a user asks for: a name of `LISTS`, or a text file with one sequence a line.

    Lines of DAVIS 2016, which name pictures and masks, work too; empty lines and those that begin with # do not count.

    Args:
        choice: name or path.
        root: folder of the data set, or of its annotations, where a list that ships with the data is looked for.

    Raises:
        DataError: there is no such list or file, or it is empty.
    """
    known = LISTS.get(choice)
    if known and known.names:
        return known.names
    files = [folder / known.file for folder in (root, *root.resolve().parents)] if known else [Path(choice)]
    file = next((path for path in files if path.is_file()), None)
    if file is None and known:
        raise DataError(
            f"The list {choice!r} is not published as text ({known.source}), and {root} has no {known.file}. "
            "Give --sequences a file with one sequence a line."
        )
    if file is None:
        raise DataError(f"There is no list or file of sequences {choice!r}. Give a file, or one of {', '.join(LISTS)}.")
    return _read_list(file)


def _read_list(file: Path) -> tuple[str, ...]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()  # editors of Windows begin a file with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"The list of sequences {file} cannot be read: {error}. Give a text file with one sequence a line.") from error
    entries = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    names = tuple(dict.fromkeys(entry.split()[0].split("/")[-2] if entry.count("/") > 1 else entry for entry in entries))
    if not names:
        raise DataError(f"The list of sequences {file} names none. Write one sequence a line.")
    return names
