"""Readers of published data sets: one module a data set, each knowing that set's folders, names and formats, and nothing else."""
