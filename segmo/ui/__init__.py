"""The app: the only room that imports gradio and spaces. It translates the events of the pipeline into a page, and nothing else."""
