"""Seeded 2.5-D scenes with exact masks, depth and point tracks: training samples, test fixtures and the example clips.

from segmo.synthetic import render_clip, scenarios
clip = render_clip(scenarios.two_crossing())          # 60 frames at 640x360
clip.frames, clip.labels, clip.moving, clip.inverse_depth, clip.tracks(query_frames, query_xy)
"""

from segmo.synthetic.renderer import render, render_clip
from segmo.synthetic.scene import RenderedScene
from segmo.synthetic.spec import SceneSpec

__all__ = ["RenderedScene", "SceneSpec", "render", "render_clip"]
