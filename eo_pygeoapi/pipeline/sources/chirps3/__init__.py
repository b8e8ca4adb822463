"""CHIRPS v3 daily rainfall of the Climate Hazards Center."""
