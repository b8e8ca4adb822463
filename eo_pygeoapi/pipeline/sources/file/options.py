"""What the source `file` says of itself: any NetCDF, GeoTIFF/COG or Zarr, by path or URL."""

from typing import Annotated

from pydantic import AfterValidator, Field

from eo_pygeoapi.datasets.source import SourceInfo, SourceOptions, YamlText
from eo_pygeoapi.dates import days_of


def _time_that_exists(text: str) -> str:
    if text:
        days_of(text)
    return text


class FileOptions(SourceOptions):
    """Any NetCDF, GeoTIFF/COG or Zarr, by path or URL."""

    href: Annotated[YamlText, Field(min_length=1)] = Field(
        description="path, relative to the configuration file, or URL; may hold {YYYY}, {MM} and {DD}"
    )
    variable: YamlText = Field("", description="variable of a NetCDF or Zarr; may be left out where there is only one")
    time: Annotated[
        YamlText, Field(pattern=r"^([0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?)?$"), AfterValidator(_time_that_exists)
    ] = Field("", description="time of a raster that has none: YYYY, YYYY-MM or YYYY-MM-DD")


INFO = SourceInfo(
    title="Files of your own",
    options=FileOptions,
    source="eo_pygeoapi.pipeline.sources.file.source:FileSource",
    licence="that of the files",
    citation="",
    across_180=True,
)
