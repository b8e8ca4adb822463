"""Options of the source `cog`: rasters over HTTP, by a template of addresses or a search of a STAC API."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from eo_pygeoapi.datasets.cost import Cost, Needed
from eo_pygeoapi.datasets.source import Credential, SourceInfo, YamlText
from eo_pygeoapi.pipeline.sources.cog.newest import newest_address, newest_item
from eo_pygeoapi.pipeline.sources.file.options import FileOptions, of_day

RASTER_SERVER = Credential(
    title="Raster server",
    block="raster-server",
    variables={"token": "EO_COG_TOKEN"},
    how="ask the provider of the rasters for a token (sent as Authorization: Bearer …)",
)


class CogOptions(FileOptions):
    """Cloud-optimised GeoTIFFs, NetCDF or Zarr of a provider; only the window of the units is read of GeoTIFF and Zarr.

    A NetCDF is downloaded whole.

    Either `href`, or `stac` with `collection` and `asset`.
    """

    href: YamlText = Field(
        "", description="address; may hold {YYYY}, {MM}, {DD}, {WW} (week of the year) and {K} (dekad of the month)"
    )
    stac: YamlText = Field("", description="address of a STAC API, which has `/search` below it")
    collection: YamlText = Field("", description="the collection of the STAC API")
    asset: YamlText = Field("", description="the asset of its items")
    ids: YamlText = Field("", description="take only items whose ids match this, such as MOD13Q1.*")
    item_days: Annotated[int, Field(ge=1, le=366)] | None = Field(
        None, description="how many days an item stands for, such as 16; each of these days has its value"
    )
    nodata: float | None = Field(None, description="the number that stands for no data, where the raster does not say")
    scale: float | None = Field(None, description="what numbers are multiplied by, where the raster does not say")
    offset: float | None = Field(None, description="what is added after that, where the raster does not say")
    sign: YamlText = Field(
        "", description="address that answers {token: …}, which is put behind the addresses of assets as their query"
    )
    delay: Annotated[int, Field(ge=0, le=3660)] | None = Field(
        None, description="after how many days data are usually there"
    )
    auth: bool = Field(False, description="send the token of EO_COG_TOKEN, or of the block raster-server")

    @model_validator(mode="after")
    def _one_way_to_find_rasters(self) -> Self:
        if bool(self.href) == bool(self.stac):
            raise ValueError("give either href, or stac with collection and asset")
        if self.stac and not (self.collection and self.asset):
            raise ValueError("stac needs collection and asset")
        if self.href and (named := [n for n in ("collection", "asset", "ids", "item_days") if getattr(self, n)]):
            raise ValueError(f"{', '.join(named)}: only with stac, not with href")
        return self

    @property
    def called(self) -> str:
        """What messages call the rasters."""
        return self.collection or self.href

    def local_paths(self) -> list[str]:
        """Return the path, where `href` is one."""
        return super().local_paths() if self.href else []

    def credentials(self) -> tuple[Credential, ...]:
        """The token, where the provider wants one."""
        return (RASTER_SERVER,) if self.auth else ()

    def address(self) -> str:
        """The STAC API."""
        return self.stac

    def variable_name(self) -> str:
        """The variable, or the asset."""
        return self.variable or self.asset

    def expected(self, day: date) -> date | None:
        """After the delay, where one is given."""
        return None if self.delay is None else day + timedelta(self.delay)

    def newest(self, today: date, setting: Callable[[str], str]) -> date | None:
        """Ask for the newest item of the STAC collection, or look for files at the newest addresses.

        None for one file of all times, and for files on this machine.
        """
        token = setting(RASTER_SERVER.variables["token"]) if self.auth else ""
        if self.stac:
            return newest_item(self, token, today)
        has_days = of_day(self.href, date.min) != of_day(self.href, date.max)
        return newest_address(self, token, today) if has_days and "://" in self.href else None

    def cost(self, needed: Needed) -> Cost | None:
        """As of files; not known of a STAC API."""
        return super().cost(needed) if self.href else None


INFO = SourceInfo(
    title="Rasters over HTTP",
    options=CogOptions,
    source="eo_pygeoapi.pipeline.sources.cog.source:CogSource",
    licence="that of the provider",
    citation="",
    credentials=(RASTER_SERVER,),
)
