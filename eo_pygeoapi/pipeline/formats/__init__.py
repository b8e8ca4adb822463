"""Read NetCDF, GeoTIFF and Zarr files as lazy arrays: one variable, NaN for missing values, dates for times."""
