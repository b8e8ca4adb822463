from pathlib import Path
from uuid import uuid4

import numpy as np
import pandas as pd
import pytest
from shapely.geometry import Point, Polygon

from eo_pygeoapi.pipeline.intermediates import Intermediates
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.made import dataset, units

FRAME = pd.DataFrame(
    {
        "orgUnit": ["a", "b", "a", "b"],
        "period": ["202501", "202501", "202502", "202502"],
        "start": ["2025-01-01", "2025-01-01", "2025-02-01", "2025-02-01"],
        "end": ["2025-01-31", "2025-01-31", "2025-02-28", "2025-02-28"],
        "value": [0.1, np.nan, 1 / 3, 4.0],
        "validFraction": [1.0, 0.0, 1.0, 1.0],
    }
)

UNITS = units({"a": Polygon([(0.1, 0.2), (1 / 3, 0.2), (0.3, 2 / 3)]), "b": Point(1, 1)}).assign(
    name=["A", "B"], level=pd.array([2, pd.NA], dtype="Int64")
)


def taken(url: str, scratch: Path) -> Intermediates:
    """Take the steps up to the exports of a job, as one process after the other."""
    first = Intermediates(JobFolder(ResultStore(url), "1"), scratch / "first")
    first.write_units(UNITS)
    first.write_values(FRAME)
    second = Intermediates(JobFolder(ResultStore(url), "1"), scratch / "second")
    second.build_payload(dataset(periodType="monthly"))
    second.export(dataset(periodType="monthly"))
    return second


@pytest.mark.parametrize("elsewhere", [False, True])
def test_steps_read_what_the_ones_before_kept(tmp_path: Path, elsewhere: bool) -> None:
    folder = taken(f"memory://{uuid4()}" if elsewhere else str(tmp_path / "it's a store"), tmp_path / "scratch")
    pd.testing.assert_frame_equal(folder.values(), FRAME)
    assert folder.units().equals(UNITS) and folder.units().crs == UNITS.crs
    rows = [(row["orgUnit"], row["period"], row["value"]) for row in folder.preview["rows"]]
    assert rows == [("a", "202501", "0.1"), ("a", "202502", "0.3333333333333333"), ("b", "202502", "4")]
    for name in ("values.csv", "chap.csv", "payload.json"):
        assert folder.import_files.folder.read_bytes(name)


def test_the_values_of_groups_go_into_the_payload_and_are_columns_of_the_table(tmp_path: Path) -> None:
    block = {"source": "worldpop", "options": {"country": "SLE", "groups": ["f_0", "m_0"]}, "periodType": "yearly"}
    people = dataset(**block, dhis2={"disaggregation": {"f_0": "GIRLS", "m_0": "BOYS"}})
    folder = Intermediates(JobFolder(ResultStore(str(tmp_path / "store")), "1"), tmp_path)
    frame = units({"a": Point(0, 0), "b": Point(1, 1)}).assign(name=["A", "B"])
    frame["level"] = pd.array([2, 2], dtype="Int64")
    folder.write_units(frame)
    groups = ['{"f_0": 1.0, "m_0": 2.0}', '{"f_0": 5.0, "m_0": null}']
    folder.write_values(FRAME.iloc[:2].assign(period="2026", value=[3.0, np.nan], groups=groups))
    payload = folder.build_payload(people)
    folder.export(people)
    rows = [(row["orgUnit"], row["group"], row["value"]) for row in folder.preview["rows"]]
    assert rows == [("a", "f_0", "1"), ("a", "m_0", "2"), ("b", "f_0", "5")]
    assert (payload.count, payload.null_count) == (3, 1)
    assert folder.import_files.folder.read_bytes("values.csv").decode().splitlines() == [
        "orgUnit,name,level,period,start,end,value,validFraction,f_0,m_0,unit",
        "a,A,2,2026,2025-01-01,2025-01-31,3.0,1.0,1.0,2.0,",
        "b,B,2,2026,2025-01-01,2025-01-31,,0.0,5.0,,",
    ]


def test_nothing_is_copied_where_the_store_is_a_folder_and_each_file_once_elsewhere(tmp_path: Path) -> None:
    taken(str(tmp_path / "store"), tmp_path / "here")
    assert not [path for path in (tmp_path / "here").rglob("*") if path.is_file()]
    folder = taken(f"memory://{uuid4()}", tmp_path / "there")
    copies = [path for path in (tmp_path / "there").rglob("*") if path.is_file()]
    assert sorted(path.name for path in copies) == ["org-units.parquet", "values.parquet"]
    before = copies[0].stat().st_mtime_ns
    assert folder.values().shape == FRAME.shape and copies[0].stat().st_mtime_ns == before
