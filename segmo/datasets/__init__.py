"""Data sets on disk: a reader a published data set, each knowing that set's folders, names and formats, and nothing else; the folder layout
of training, and what fills, checks and cleans it.

    published data set --convert--> layout --prepare--> layout with depth, tracks, features --label, mask--> results
"""
