"""GDAL's settings for reading over HTTP.

They go through the environment, for options of a `rasterio.Env` do not reach the threads that dhis2eo reads in.
What the environment says already stays as it is.
"""

import os
from collections.abc import MutableMapping

SETTINGS = {
    # no requests for sidecar files: 62 instead of 342 for a month of CHIRPS
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    # without them a stalled provider holds the run for ever
    "GDAL_HTTP_CONNECTTIMEOUT": "15",
    "GDAL_HTTP_TIMEOUT": "120",
    # heals 429 and 5xx
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "2",
    # a 404, a 503 or half a file must not be remembered for the life of the process, or no later attempt succeeds
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/http",
}


def configure_gdal(environ: MutableMapping[str, str] = os.environ) -> None:
    """Set what is not set yet; call it before anything is read."""
    for name, value in SETTINGS.items():
        environ.setdefault(name, value)
