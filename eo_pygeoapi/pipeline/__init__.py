"""The science: from a checked request to values in DHIS2, in seven steps.

| step                     | file                                                                  |
|--------------------------|-----------------------------------------------------------------------|
| `validate_inputs`        | `eo_pygeoapi/datasets/validate.py` (the web process checks with the same code) |
| `load_org_units`         | `org_units/load.py`                                                   |
| `extract_source_data`    | `sources/step.py`; a folder for each source beside it                 |
| `aggregate_to_org_units` | `zonal/step.py`, with `grids/` for periods and units and `formats/` for files; |
|                          | `climatology/step.py` for values of published values                   |
| `build_dhis2_payload`    | `dhis2/data_values.py`                                                |
| `import_to_dhis2`        | `dhis2/importing.py`; `dhis2/client.py` is the client                 |
| `publish_results`        | `eo_pygeoapi/store/publish.py` (the web process reads with the same code) |

Each step is one function with the step's name; `flows/` only wires them. Nothing here knows pygeoapi or Prefect.
"""

import pyproj  # noqa: F401  must come before eccodes, or two libproj clash and the interpreter dies at exit
