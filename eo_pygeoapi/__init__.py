"""Climate and population data for DHIS2: OGC API - Processes on pygeoapi, run by Prefect.

The package has three parts that meet only in plain data:

- the web side (`process`, `manager`, `provider`) runs inside pygeoapi and imports none of the scientific libraries;
- `pipeline` is the science: organisation units, sources, zonal statistics, DHIS2; it knows no pygeoapi, no Prefect;
- `gateway`, `worker` and the top-level package `flows` are the only places that know Prefect.
"""
