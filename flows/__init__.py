"""The Prefect side: flows that wire the pipeline's steps, with retries, timeouts, progress and hooks."""

# before anything that loads eccodes: with the two in the other order the interpreter dies at exit
import pyproj  # noqa: F401
