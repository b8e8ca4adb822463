"""The variables of ERA5-Land: their names in its files, and the meaning of the number of an hour.

From the tables of the data set's documentation (ECMWF, "ERA5-Land: data documentation").
"""

from dataclasses import dataclass
from typing import Literal

from eo_pygeoapi.datasets.source import Limits

# instant: the state at the hour. amount: the total since 00 UTC, never below 0.
# balance: the total of gains and losses since 00 UTC, of either sign
Kind = Literal["instant", "amount", "balance"]


@dataclass(frozen=True)
class Era5LandVariable:
    """The variable's name in files, and the meaning of the number of an hour."""

    short: str
    kind: Kind = "instant"

    @property
    def accumulated(self) -> bool:
        """Whether values count from 00 UTC of the day; the total of a day has the label 00 UTC of the next."""
        return self.kind != "instant"


_V = Era5LandVariable
ERA5_LAND_VARIABLES: dict[str, Era5LandVariable] = {
    "2m_temperature": _V("t2m"),
    "2m_dewpoint_temperature": _V("d2m"),
    "skin_temperature": _V("skt"),
    "10m_u_component_of_wind": _V("u10"),
    "10m_v_component_of_wind": _V("v10"),
    "surface_pressure": _V("sp"),
    "total_precipitation": _V("tp", "amount"),
    "snowfall": _V("sf", "amount"),
    "snowmelt": _V("smlt", "amount"),
    "runoff": _V("ro", "amount"),
    "surface_runoff": _V("sro", "amount"),
    "sub_surface_runoff": _V("ssro", "amount"),
    "total_evaporation": _V("e", "balance"),
    "potential_evaporation": _V("pev", "balance"),
    "evaporation_from_bare_soil": _V("evabs", "balance"),
    "evaporation_from_open_water_surfaces_excluding_oceans": _V("evaow", "balance"),
    "evaporation_from_the_top_of_canopy": _V("evatc", "balance"),
    "evaporation_from_vegetation_transpiration": _V("evavt", "balance"),
    "snow_evaporation": _V("es", "balance"),
    "surface_solar_radiation_downwards": _V("ssrd", "amount"),
    "surface_thermal_radiation_downwards": _V("strd", "amount"),
    "surface_net_solar_radiation": _V("ssr", "amount"),
    "surface_net_thermal_radiation": _V("str", "balance"),
    "surface_latent_heat_flux": _V("slhf", "balance"),
    "surface_sensible_heat_flux": _V("sshf", "balance"),
    "volumetric_soil_water_layer_1": _V("swvl1"),
    "volumetric_soil_water_layer_2": _V("swvl2"),
    "volumetric_soil_water_layer_3": _V("swvl3"),
    "volumetric_soil_water_layer_4": _V("swvl4"),
    "soil_temperature_level_1": _V("stl1"),
    "soil_temperature_level_2": _V("stl2"),
    "soil_temperature_level_3": _V("stl3"),
    "soil_temperature_level_4": _V("stl4"),
    "skin_reservoir_content": _V("src"),
    "leaf_area_index_high_vegetation": _V("lai_hv"),
    "leaf_area_index_low_vegetation": _V("lai_lv"),
    "forecast_albedo": _V("fal"),
    "snow_albedo": _V("asn"),
    "snow_cover": _V("snowc"),
    "snow_density": _V("rsn"),
    "snow_depth": _V("sde"),
    "snow_depth_water_equivalent": _V("sd"),
    "temperature_of_snow_layer": _V("tsn"),
    "lake_bottom_temperature": _V("lblt"),
    "lake_ice_depth": _V("licd"),
    "lake_ice_temperature": _V("lict"),
    "lake_mix_layer_depth": _V("lmld"),
    "lake_mix_layer_temperature": _V("lmlt"),
    "lake_shape_factor": _V("lshf"),
    "lake_total_layer_temperature": _V("ltlt"),
}
# physical limits by a part of the name, in the units of the files, with room for packing; amounts are those of a day
LIMITS: dict[str, Limits] = {
    "solar_radiation": (-1e5, 1e8),
    "thermal_radiation_downwards": (-1e5, 1e8),
    "component_of_wind": (-150.0, 150.0),
    "surface_pressure": (20_000.0, 120_000.0),
    "volumetric_soil_water": (-0.01, 1.01),
    "leaf_area_index": (-0.01, 20.0),
    "albedo": (-0.01, 1.01),
    "snow_cover": (-0.1, 100.1),
    "snow_density": (-1.0, 1000.0),
    "snow_depth": (-0.01, None),
    "skin_reservoir_content": (-0.001, 1.0),
    "lake_ice_depth": (-0.01, None),
    "depth": (-0.01, None),
    "lake_shape_factor": (-0.01, 1.01),
}
