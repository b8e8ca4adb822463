"""Files of users: NetCDF, GeoTIFF and Zarr."""
