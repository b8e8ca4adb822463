"""Where the data come from: a folder a source, named by an entry point of the group `eo_pygeoapi.sources`.

Nothing is imported here, for the web process reads the `options.py` of the sources. `step.py` is the step, `request.py`
what a source is asked for; the rest is what sources have in common.
"""
