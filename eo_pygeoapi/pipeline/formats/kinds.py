"""Recognise the format of a file; of other files say what they are and what to do."""

import zipfile
from pathlib import Path

from eo_pygeoapi.errors import SourceError

ALLOWED = "allowed: NetCDF, GeoTIFF (COG), Zarr"
_MAGIC = {
    b"\x89HDF": "NetCDF",
    b"CDF\x01": "NetCDF",
    b"CDF\x02": "NetCDF",
    b"CDF\x05": "NetCDF",
    b"II*\x00": "GeoTIFF",
    b"MM\x00*": "GeoTIFF",
    b"II+\x00": "GeoTIFF",
    b"MM\x00+": "GeoTIFF",
}
_SUFFIXES = {".tif": "GeoTIFF", ".tiff": "GeoTIFF", ".cog": "GeoTIFF", ".zarr": "Zarr"}
_UNPACK = "unpack it first, and name the file that was in it"
_ANEW = "get it from the provider again"
# the first bytes of other files, what these files are, and what to do
_OTHERS = (
    (b"GRIB", "is GRIB", "convert GRIB to NetCDF first (for example `cdo -f nc4 copy`)"),
    (b"\x0e\x03\x13\x01", "is HDF4, as older MODIS files are", "convert it to NetCDF or GeoTIFF first"),
    (b"\x1f\x8b", "is compressed with gzip", _UNPACK),
    (b"BZh", "is compressed with bzip2", _UNPACK),
    (b"\xfd7zXZ", "is compressed with xz", _UNPACK),
    (b"7z\xbc\xaf", "is a 7-Zip archive", _UNPACK),
    (b"Rar!", "is a RAR archive", _UNPACK),
    (b"\x89PNG", "is a picture (PNG), not data", "get the data themselves from the provider"),
    (b"\xff\xd8\xff", "is a picture (JPEG), not data", "get the data themselves from the provider"),
    (b"%PDF", "is a PDF", "get the data themselves from the provider"),
    (b"\xd0\xcf\x11\xe0", "is an old Excel or Word file", "get the gridded data from the provider"),
)
_LOOKED_AT = 1024


def format_of(place: str, source: str) -> str:
    """Return NetCDF, GeoTIFF or Zarr: of a path by its first bytes, of a URL by its suffix ('' for other suffixes).

    Raises SourceError where there is no such file, or where it has another format; the message names that.
    """
    if "://" in place:
        return _SUFFIXES.get(Path(place.partition("?")[0].rstrip("/")).suffix.lower(), "")
    path = Path(place)
    if path.is_dir() and any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zmetadata")):
        return "Zarr"
    try:
        with path.open("rb") as file:
            begin = file.read(_LOOKED_AT)
    except OSError as error:
        raise SourceError(f"{source}: cannot be read: {error.strerror}") from error
    if begin[:4] not in _MAGIC:
        raise SourceError(f"{source}: {_description(path, begin)}")
    return _MAGIC[begin[:4]]


def _description(path: Path, begin: bytes) -> str:
    """Say what a file of another format is, and what to do."""
    if not begin.strip(b"\x00"):
        return f"is empty, or holds nothing but zeros; {_ANEW}"
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if not name.endswith("/")]
        if any(name.startswith(("xl/", "word/")) for name in names):
            return f"is an Excel or Word file; get the gridded data from the provider; {ALLOWED}"
        some = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        return f"is a ZIP archive (with {some or 'nothing'} in it); {_UNPACK}; {ALLOWED}"
    for magic, what, hint in _OTHERS:
        if begin.startswith(magic):
            return f"{what}; {hint}; {ALLOWED}"
    start = begin.lstrip(b"\xef\xbb\xbf \r\n\t").lower()
    if start.startswith((b"<!doctype html", b"<html")) or b"<html" in start:
        return (
            "is a web page (HTML), not data: the server asked for a login, or said that there is no such file; "
            f"open its address in a browser; {ALLOWED}"
        )
    if start.startswith((b"<?xml", b"{", b"[")):
        line = start.decode("utf-8", "replace").splitlines()[0][:80]
        return f"is text (XML or JSON), not data, perhaps a server's error: {line!r}; {ALLOWED}"
    if begin[:2] == b"PK":
        return f"is a ZIP archive that is not whole; {_ANEW}"
    return f"is no raster; {ALLOWED}"
