"""The models: which there are (registry), which a preset takes (presets), and how one is loaded (store)."""
