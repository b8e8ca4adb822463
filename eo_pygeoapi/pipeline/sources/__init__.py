"""Sources of data: a folder for each, named by an entry point of the group `eo_pygeoapi.sources`.

This file imports nothing, because the web process reads the `options.py` of the sources. `step.py` is the step,
`request.py` has the interface of a source; sources share the other files.
"""
