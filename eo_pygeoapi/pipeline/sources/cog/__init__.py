"""Rasters of a provider over HTTP: by a template of addresses, or by a search of a STAC API."""
