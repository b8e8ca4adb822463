"""Ask a source that downloads boxes twice for a box across 180 degrees, once for each side."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import xarray as xr

from eo_pygeoapi.pipeline.grids.antimeridian import halves, joined_at_180
from eo_pygeoapi.pipeline.sources.request import Extract, Keeps, Source, SourceRequest


@dataclass(frozen=True)
class ByHalves:
    """A source that gets a box across 180 degrees as two boxes; all longitudes would be a hundred times as much."""

    source: Source

    def extract(self, request: SourceRequest) -> Extract:
        """Fetch both halves; leave out a period that one of them lacks."""
        found, *more = [self.source.extract(replace(request, bbox=box)) for box in halves(request.bbox)]
        if not more:
            return found
        beyond, known = more[0], {entry.period for entry in found.left_out}
        left_out = found.left_out + [entry for entry in beyond.left_out if entry.period not in known]
        note = found.note if found.note == beyond.note else f"{found.note}; beyond 180 degrees {beyond.note}"
        return found.model_copy(update={"left_out": left_out, "note": note, "beyond": beyond})

    def held(self, request: SourceRequest, wanted: Sequence[date]) -> set[date]:
        """Return the days that are there for both halves."""
        if not isinstance(self.source, Keeps):
            return set()
        return set.intersection(*(self.source.held(replace(request, bbox=box), wanted) for box in halves(request.bbox)))

    def open(self, request: SourceRequest, extract: Extract) -> xr.DataArray:
        """Open both halves as one normalised grid."""
        boxes, extracts = halves(request.bbox), [extract, extract.beyond]
        found, *more = [
            self.source.open(replace(request, bbox=box), part)
            for box, part in zip(boxes, extracts, strict=False)
            if part is not None
        ]
        return joined_at_180(found, more[0], str(found.attrs["source"])) if more else found
