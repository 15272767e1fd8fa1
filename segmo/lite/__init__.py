"""Classical vision of the `lite` preset: arrays in, arrays out. The adapters that make models of it live in `segmo.zoo`."""
