"""Organisation units: read from DHIS2, GeoJSON or the request, with geometries that are usable."""
