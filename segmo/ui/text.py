"""Every sentence of the page, in one place."""

from __future__ import annotations

from segmo import errors

TITLE = "segmo"
HEADLINE = "Drop a video. Everything that moves comes back with a mask of its own."
SUBLINE = "No clicks, no prompts, and the camera may move as it likes."

API = (
    "Segment everything that moves in a video. Returns the overlay video, a zip with masks, videos and data, and a summary. "
    "While it runs, the summary tells the stage and the fraction of it that is done."
)

API_STAGES = (
    "Run all stages of a video and return what the tabs of the page show: pictures and videos of frames, depth, tracks, features, motion "
    "and masks, and a summary with the id of the result and, for each stage, its model, its seconds and whether it came from the cache. "
    "While it runs, the summary tells the stage and the fraction of it that is done. The page opens the result at ?result=<id>."
)
API_THRESHOLD = (
    "Tell how many tracks of a finished result would move at another threshold from 0 to 1. No model runs. "
    "`result` is the id that /stages returns."
)

STAGES = {
    "frames": "Frames",
    "flow": "Flow",
    "depth": "Depth",
    "tracks": "Tracks",
    "features": "Features",
    "motion": "Motion",
    "masks": "Masks",
    "files": "Files",
}
"""Steps of a run in order, as the page names them."""

TABS = {
    "result": "Result",
    "frames": "Frames",
    "depth": "Depth",
    "tracks": "Tracks",
    "features": "Features",
    "motion": "Motion",
    "masks": "Masks",
    "files": "Files",
    "run": "Run details",
}

ABOUT = {
    "result": "",
    "frames": "The frames that are used. Tracks start on the framed ones, the query frames.",
    "depth": "How near everything is: bright is near, dark is far. Depth is relative, frame by frame.",
    "tracks": "Points followed through the whole clip, each with the trail of its last positions.",
    "features": "What each patch of the query frames looks like: similar colours mean similar looks.",
    "motion": "How probably each point moves by itself, not just because the camera does: warm colours move, dark and blue ones do not.",
    "masks": "One colour for each moving object. An object keeps its colour through the whole clip.",
    "files": "Everything the run wrote. Choose what the zip shall hold; there is one palette PNG for each frame.",
    "run": "What ran, for how long, and how to run it again without this page.",
}
"""What a tab shows, in one line."""

WAITING = {
    "result": "The result appears here when the masks are done.",
    "frames": "The sampled frames appear here first.",
    "depth": "Depth appears here as soon as it is estimated.",
    "tracks": "Tracks appear here as soon as the points are followed.",
    "features": "Features appear here as soon as the query frames are described.",
    "motion": "Motion appears here as soon as every track is judged.",
    "masks": "Masks appear here as soon as the objects are cut out.",
    "files": "Files appear here when the run is done.",
    "run": "The record of the run appears here when it is done.",
}

NOTHING_MOVES_TITLE = "Nothing moves in this clip."
NOTHING_MOVES = (
    "Every point fits a scene that stands still, whatever the camera does, so there is nothing to cut out. "
    "If you do see something move, set the motion threshold by hand to a lower value, use a longer part of the clip, "
    "or allow more frames."
)

CONTENTS = {
    "masks": "Masks (palette PNG)",
    "objects": "Objects (COCO RLE)",
    "overlay": "Overlay video",
    "side_by_side": "Side by side video",
    "alpha": "Alpha video",
    "matte": "Matte video (black and white)",
    "static": "Static masks (COLMAP, NeRF)",
    "tracks": "Tracks (NPZ)",
    "csv": "Tracks (CSV)",
    "run": "run.json",
}
"""What an archive may hold."""
SHIPPED = "An example comes with what is ticked; anything else is computed as soon as you tick it."
MAKING = "Computing what you ticked:"
NO_CONTENTS = "Choose something for the zip to hold."
WEBCAM_TITLE = "Or record with the webcam"
CLICKS_LABEL = "Corrections"
CLICKS_HELP = (
    "Your clicks on the result, each as FRAME,X,Y,+ for what moves or - for what does not; X and Y go from 0 to 1 from the upper left. "
    "A new clip empties it."
)
CORRECT_TITLE = "Correct by clicking"
CORRECT_HELP = (
    "Choose a frame and click on what moves too, or on what does not. Apply makes the masks again, on all frames, and nothing else. "
    "Without a mouse, say with the two sliders where: a ring shows the place."
)
CORRECT_MODES = {"+": "This moves too", "-": "This does not"}
AIM = {"correct_across": "From the left, %", "correct_down": "From the top, %"}
AIM_ADD = "Click there"
NO_CLICKS = "No clicks yet."
CORRECTED_TITLE = "Corrected."
NOT_KEPT = "This result's clip is no longer kept. Press Run first; then it can be changed."
APPLIED = "Video, masks and files now have the objects as listed, under a link of their own."
LIVE_TITLE = "What would move at another threshold"
LIVE_HELP = (
    "Orange points would move and blue ones stand still if you set this threshold: set by hand, it alone decides. "
    "Moving it computes nothing. An orange edge marks a query frame."
)
STOPPED = "Finished stages are kept: Run goes on from where it stopped."
IN_LINE = "If others are being served, your run waits for its turn."
NO_QUOTA_TITLE = "No GPU time is left for this run."
NO_LOAN_TITLE = "The lent GPU could not finish this run."
LOAN_ADVICE = "Finished stages are kept. Come back later, use fewer or smaller frames, or choose the preset lite, which needs no GPU."
BUSY = "Too many runs are waiting. Try again in a minute."
UNEXPECTED = "Finished stages are kept. Press Run to try again, or use fewer or smaller frames; the server's log says more."
GONE_TITLE = "This result is not here."
GONE = "The link is wrong, or the result was kept for its time and deleted. Ask for a new link, or run the clip again."
SETTINGS_RESTORED = "The settings are those of the run. Drop a video, or choose an example, and press Run."
NO_CLIP = "There is no clip yet. Drop a video on the left, or choose an example, and press Run."


def masthead() -> str:
    """The head of the page."""
    return (
        f'<header class="masthead"><p class="name">{TITLE}</p><h1>{HEADLINE}</h1><p class="sub">{SUBLINE}</p>'
        '<a class="jump" href="#panel-column">Use your own clip ↓</a></header>'
    )


def upload_title(upload_mb: int, clip_seconds: int, frames: int) -> str:
    """Above the drop zone: what may be dropped, and how much of it."""
    kinds = f"MP4, MOV, WebM, MKV, GIF and more, up to {upload_mb} MB. A run uses at most {clip_seconds} s and {frames} frames of it."
    return f'<p class="upload-title">Your video<span>{kinds} Drop a run.json to get its settings back.</span></p>'


def too_weak(above: int) -> str:
    """Of a clip in which nothing moves, although that many tracks are above the threshold."""
    return f"{above} {'is' if above == 1 else 'are'} above it, too weak together to be motion"


def corrected(computed: list[str]) -> str:
    """After corrections: which steps ran; all of them where the cache had nothing, as for an example that nobody ran here."""
    rest = "" if set(computed) >= set(STAGES) else " Everything else came from the cache."
    steps = ", ".join(STAGES[name].lower() for name in computed)
    return f"Computed: {steps}.{rest} The list of objects starts anew, and the result has a link of its own."


def problem(error: BaseException) -> tuple[str, str]:
    """A headline and an explanation, in words for a visitor, for anything that ended a run."""
    stage, colon, rest = str(error).partition(": ")
    explanation = rest if colon and stage.startswith("Stage ") else str(error)  # the strip of steps shows which stage it was
    if isinstance(error, errors.InputError):
        return "This clip cannot be used.", explanation
    if isinstance(error, errors.SettingsError):
        return "A setting does not fit.", explanation
    if isinstance(error, errors.WeightsError):
        return "The models of this preset are not here.", explanation
    if isinstance(error, errors.LoanError):
        return NO_QUOTA_TITLE if "quota" in explanation.lower() else NO_LOAN_TITLE, explanation
    if isinstance(error, errors.DeviceError):
        return "This computer cannot run that.", explanation
    if isinstance(error, errors.SegmoError) and (error.__cause__ is None or isinstance(error.__cause__, errors.SegmoError)):
        return "The run could not finish.", explanation
    return "Something unexpected happened.", UNEXPECTED
