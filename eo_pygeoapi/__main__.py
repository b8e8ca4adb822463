"""`python -m eo_pygeoapi` is `eo-pygeoapi`."""

from eo_pygeoapi.cli import main

main()
