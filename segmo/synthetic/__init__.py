"""Seeded 2.5-D scenes with exact masks, depth and point tracks: training samples, test fixtures and the example clips.

from segmo.synthetic import render, render_clip, sample_scene, scenarios
sample = render(sample_scene(seed=7))                 # five frames, t-4, t-1, t, t+1 and t+4, at 448x256
clip = render_clip(scenarios.two_crossing())          # 60 frames at 640x360
clip.frames, clip.moving_labels, clip.inverse_depth, clip.tracks(query_frames, query_xy)
"""

from segmo.synthetic.renderer import render, render_clip
from segmo.synthetic.sampling import SceneConfig, sample_scene
from segmo.synthetic.scene import RenderedScene
from segmo.synthetic.spec import SceneSpec

__all__ = ["RenderedScene", "SceneConfig", "SceneSpec", "render", "render_clip", "sample_scene"]
