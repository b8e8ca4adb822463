"""Compute zonal statistics: coverage weights once, then sparse products.

`coverage_weights` and `aggregate` are public; `docs/zonal.md` shows them.
"""

from eo_pygeoapi.pipeline.zonal.arrays import aggregate, coverage_weights

__all__ = ["aggregate", "coverage_weights"]
