"""Files that people bring: NetCDF, GeoTIFF and Zarr."""
