"""Our rendered scenes, as `python -m segmo data synthetic` writes them: the layout of DAVIS, and a truth file a complete scene."""

from __future__ import annotations

from pathlib import Path

from segmo.datasets import davis
from segmo.datasets.clips import Expected, SequenceClip, sequence_clips

EXPECTED = Expected(
    "rendered scenes",
    """SRC/JPEGImages/480p/<scene>/00000.png
SRC/Annotations/480p/<scene>/00000.png
SRC/truth/<scene>.npz""",
    "`python -m segmo data synthetic SRC`, which goes on where it stopped",
)


def clips(root: Path) -> tuple[SequenceClip, ...]:
    """All scenes, by name.

    Raises:
        DataError: there is none, or one is not complete.
    """
    found = sequence_clips(root, EXPECTED, davis.annotation_root, davis.sequence_names, davis.open_sequence)
    for clip in found:
        if not (root / "truth" / f"{clip.name}.npz").is_file():
            raise EXPECTED.error(f"The scene {clip.name} is not complete: it has no truth file.")
    return found
