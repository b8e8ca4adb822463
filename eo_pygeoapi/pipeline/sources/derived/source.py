"""The source `derived` has no grid: `pipeline/climatology/` computes its values from published ones."""

from typing import cast

import xarray as xr

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.sources.derived.options import DerivedOptions
from eo_pygeoapi.pipeline.sources.request import Extract, SourceRequest


class DerivedSource:
    """Values of another dataset."""

    def extract(self, request: SourceRequest) -> Extract:
        """Say of what the values are; there is nothing to fetch."""
        options = cast(DerivedOptions, request.dataset.options)
        return Extract(files=[], note=f"{options.statistic} of {options.of}, reference period {options.reference}")

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Refuse: there is no grid."""
        raise SourceError(f"{request.dataset.id}: is computed of published values and has no grid")
