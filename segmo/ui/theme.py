"""How the page looks: a quiet theme on system fonts, and the style sheet, script and icon of its own elements."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

STYLE_SHEET = Path(__file__).with_name("style.css")
SCRIPT = Path(__file__).with_name("page.js")
ICON = Path(__file__).with_name("icon.svg")

SANS = ("ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

ACCENT = gr.themes.Color(
    name="sea",
    c50="#eefaf8",
    c100="#d5f2ec",
    c200="#aee4da",
    c300="#7bd0c3",
    c400="#45b3a6",
    c500="#26968b",
    c600="#1b7a73",
    c700="#1a625d",
    c800="#194f4b",
    c900="#18423f",
    c950="#082624",
)


def build_theme() -> gr.themes.Base:
    """One accent on cool greys; nothing is fetched from anywhere."""
    theme = gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=gr.themes.colors.slate,
        font=SANS,
        font_mono=MONO,
        radius_size=gr.themes.sizes.radius_lg,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
    )
    return theme.set(
        body_background_fill="#f6f8fa",
        body_background_fill_dark="#0d1117",
        background_fill_primary_dark="#151b23",
        background_fill_secondary_dark="#10161e",
        block_background_fill="#ffffff",
        block_background_fill_dark="#151b23",
        body_text_color_subdued="*neutral_600",  # the default is too faint to read for many
        block_border_color="#e3e8ee",
        block_border_color_dark="#263040",
        block_shadow="none",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_border_width="0px",
        block_title_text_weight="600",
        block_title_text_color="*body_text_color",
        block_label_text_color="*body_text_color",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_500",
        button_primary_background_fill_hover_dark="*primary_400",
        button_primary_text_color="white",
        button_primary_text_color_dark="#06201e",
        slider_color="*primary_500",
        slider_color_dark="*primary_400",
        checkbox_background_color_selected="*primary_600",
        checkbox_background_color_selected_dark="*primary_500",
    )
