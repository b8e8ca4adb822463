"""`eo-pygeoapi dhis2`: check what the datasets need in DHIS2, and set it up."""
