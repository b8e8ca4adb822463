"""ERA5-Land from the Climate Data Store or Destination Earth."""
