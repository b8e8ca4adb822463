"""The science: from a checked request to values in DHIS2, in seven steps.

| step                     | file                                                                  |
|--------------------------|-----------------------------------------------------------------------|
| `validate_inputs`        | `eo_pygeoapi/datasets/read.py` (the web process checks with the same code)   |
| `load_org_units`         | `org_units.py`                                                        |
| `extract_source_data`    | `sources/step.py`; a folder a source beside it                        |
| `aggregate_to_org_units` | `zonal.py`, with `temporal.py` for the periods and `units.py`          |
| `build_dhis2_payload`    | `data_values.py`                                                      |
| `import_to_dhis2`        | `dhis2_import.py`, which uses the other `dhis2_*.py`; `dhis2.py` is the client |
| `publish_results`        | `eo_pygeoapi/store/store.py` (the web process reads with the same code)     |

Each step is one function with the step's name; `flows/` only wires them. Nothing here knows pygeoapi or Prefect.
"""

import pyproj  # noqa: F401  before anything that loads eccodes, or the interpreter dies at exit: two libproj clash
