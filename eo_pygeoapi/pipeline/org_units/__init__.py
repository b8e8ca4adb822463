"""Read organisation units with usable geometries from DHIS2, GeoJSON or the request."""
