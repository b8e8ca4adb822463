"""ERA5-Land of the Climate Data Store or of Destination Earth."""
