import gzip
import zipfile
from pathlib import Path

import pytest

from eo_pygeoapi.errors import SourceError
from eo_pygeoapi.pipeline.formats.kinds import format_of

GZIPPED = gzip.compress(b"CDF\x01", mtime=0)  # with the time of day, each process would call the test another name


@pytest.mark.parametrize(
    ("begin", "message"),
    [
        (b"", "is empty, or holds nothing but zeros; get it from the provider again"),
        (b"\x00" * 2000, "is empty, or holds nothing but zeros"),
        (
            b"\n<!DOCTYPE html><html><body>Log in</body></html>",
            r"is a web page \(HTML\), not data: the server asked for",
        ),
        (b"<?xml version='1.0'?><Error><Code>NoSuchKey</Code></Error>", r"is text \(XML or JSON\), not data"),
        (b'{"error": "expired"}', r"perhaps a server's error: '{\"error\": \"expired\"}'"),
        (
            gzip.compress(b"CDF\x01", mtime=0),
            "is compressed with gzip; unpack it first, and name the file that was in it",
        ),
        (b"BZh91AY", "is compressed with bzip2; unpack it first"),
        (b"GRIB....", r"is GRIB; convert GRIB to NetCDF first \(for example `cdo -f nc4 copy`\); allowed: NetCDF"),
        (b"\x0e\x03\x13\x01", "is HDF4, as older MODIS files are; convert it to NetCDF or GeoTIFF first"),
        (b"\x89PNG\r\n", r"is a picture \(PNG\), not data"),
        (b"hello", r"is no raster; allowed: NetCDF, GeoTIFF \(COG\), Zarr"),
        (b"PK\x03\x04....", "is a ZIP archive that is not whole"),
    ],
)
def test_another_file_is_said_to_be_what_it_is(tmp_path: Path, begin: bytes, message: str) -> None:
    path = tmp_path / "rain.nc"
    path.write_bytes(begin)
    with pytest.raises(SourceError, match=rf"^rain.nc: .*{message}"):
        format_of(str(path), "rain.nc")


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("data_0.nc", r"is a ZIP archive \(with data_0.nc in it\); unpack it first"),
        ("xl/workbook.xml", "is an Excel or Word file; get the gridded data"),
    ],
)
def test_a_zip_is_said_to_be_one(tmp_path: Path, member: str, message: str) -> None:
    path = tmp_path / "rain.nc"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"CDF\x01")
    with pytest.raises(SourceError, match=rf"^rain.nc: {message}"):
        format_of(str(path), "rain.nc")
