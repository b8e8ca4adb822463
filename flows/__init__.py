"""The Prefect side: flows that wire the pipeline's steps, and the deployments that `eo-pygeoapi apply` keeps."""

# before anything that loads eccodes: with the two in the other order the interpreter dies at exit
import pyproj  # noqa: F401
