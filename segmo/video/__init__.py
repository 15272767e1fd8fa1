"""The only room that opens or writes videos and image folders.

Reading gives RGB uint8 (H, W, 3) frames as a viewer shows them: rotated, with square pixels, with real timestamps. It streams: a
source is scanned once without decoding, and of the frames only those asked for are converted and handed out, one at a time. PyAV
reads, because moviepy gives neither timestamps nor the display matrix; moviepy writes.
"""

from segmo.video.images import FOLDER_FPS, IMAGE_SUFFIXES, shown_hw
from segmo.video.reading import content_hash, open_source, probe, read_frames
from segmo.video.source import Source, VideoInfo
from segmo.video.writing import normalise, write_alpha_webm, write_mp4

__all__ = [
    "FOLDER_FPS",
    "IMAGE_SUFFIXES",
    "Source",
    "VideoInfo",
    "content_hash",
    "normalise",
    "open_source",
    "probe",
    "read_frames",
    "shown_hw",
    "write_alpha_webm",
    "write_mp4",
]
