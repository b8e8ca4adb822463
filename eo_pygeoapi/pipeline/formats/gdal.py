"""GDAL's settings for reading over HTTP.

They are environment variables, because options of a `rasterio.Env` do not reach the threads in which dhis2eo reads.
Variables that somebody has set keep their values.
"""

import os
from collections.abc import MutableMapping

SETTINGS = {
    # makes no requests for sidecar files: 62 instead of 342 for a month of CHIRPS
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # end the wait for a provider that stalls
    "GDAL_HTTP_CONNECTTIMEOUT": "15",
    "GDAL_HTTP_TIMEOUT": "120",
    # retry after 429 and 5xx
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "2",
    # GDAL must not cache a 404, a 503 or half a file for the life of the process, or no retry succeeds
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
}


def configure_gdal(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set the variables that are not set yet; call it before GDAL reads anything."""
    for name, value in SETTINGS.items():
        environ.setdefault(name, value)
