"""The import of a disaggregated dataset: set up, preflight, import, what people change, undo and reconcile."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from eo_pygeoapi.contract.models import Difference, ImportSummary, Interval
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.convention import option_names
from eo_pygeoapi.pipeline.dhis2.changes import Changes, changes_in
from eo_pygeoapi.pipeline.dhis2.client import connect
from eo_pygeoapi.pipeline.dhis2.import_files import ImportFiles
from eo_pygeoapi.pipeline.dhis2.importing import import_to_dhis2
from eo_pygeoapi.pipeline.dhis2.reconciling import reconcile
from eo_pygeoapi.pipeline.dhis2.undoing import undo_in_dhis2
from eo_pygeoapi.store.job_folder import JobFolder
from eo_pygeoapi.store.store import ResultStore
from tests.pipeline.dhis2.imports import files
from tests.pipeline.dhis2.metadata.places import Place, datasets, empty_standin
from tests.standins.dhis2_metadata import BO, COUNTRY

KONO = "Vth0fbpFcsO"
BANDS = ["f_0", "m_0", "f_1", "m_1"]
CELLS = {(unit, "2026", band): 10.0 * n + m for n, unit in enumerate((BO, KONO), 1) for m, band in enumerate(BANDS, 1)}
YEAR = Interval(start=date(2026, 1, 1), end=date(2026, 12, 31))


@pytest.fixture(scope="module", params=["2.42", "2.43"])
def running_place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with empty_standin(request.param) as place:
        yield place


@pytest.fixture
def place(running_place: Place) -> Place:
    running_place.begin_anew()
    running_place.patch("users", "admin", organisationUnits=[{"id": COUNTRY}])
    return running_place


def people(place: Place, groups: object, **dhis2: Any) -> Dataset:
    """Return the dataset of a configuration file, with what `dhis2` says beside its connection."""
    block = {"options": {"country": "SLE", "groups": groups}} | ({"dhis2": {"connection": "national", **dhis2}})
    (dataset,) = datasets(place, "people", people=block).values()
    return dataset


def run(folder: Path, place: Place, dataset: Dataset, cells: Any = CELLS, job: str = "job") -> ImportSummary:
    made = files(folder, cells, dataset.dhis2, job)
    return import_to_dhis2(made, dataset, False, partial(connect, place.importer), pauses=())


def held(place: Place) -> dict[tuple[str, str], float]:
    """Return the values that DHIS2 holds, by unit and name of the option combination."""
    with connect(place.admin) as dhis2:
        combos = {c["id"]: c["name"] for c in dhis2.matching("categoryOptionCombos", "name:like:EO", "id,name")}
        element = place.object("dataElements", "EO_PEOPLE")["id"]
        found = dhis2.stored_values(element, YEAR.start, YEAR.end, [BO, KONO])
    return {(value["orgUnit"], combos[value["categoryOptionCombo"]]): float(value["value"]) for value in found}


def change(place: Place, unit: str, option: str, value: str) -> None:
    """Store a value as a person does."""
    with place.client() as client, connect(place.admin) as dhis2:
        (combo,) = dhis2.matching("categoryOptionCombos", f"name:eq:{option}", "id,name")
        element = place.object("dataElements", "EO_PEOPLE")["id"]
        cell = {"dataElement": element, "period": "2026", "orgUnit": unit, "categoryOptionCombo": combo["id"]}
        body = {"dataValues": [cell | {"value": value}]}
        client.post("/api/dataValueSets", json=body).raise_for_status()


def test_setup_makes_sex_and_age_and_one_job_imports_all_of_it(place: Place, tmp_path: Path) -> None:
    dataset = people(place, BANDS)
    assert dataset.dhis2.disaggregation == option_names(dataset.options.divided_by())
    assert place.set_up({"people": dataset}, apply=True).problems == []
    assert place.set_up({"people": dataset}).steps == []
    summary = run(tmp_path, place, dataset)
    assert (summary.status, summary.imported, summary.findings) == ("SUCCESS", 8, [])
    found = held(place)
    names = {"f_0": "Female (EO), under 1 year (EO)", "m_0": "Male (EO), under 1 year (EO)"}
    names |= {"f_1": "Female (EO), 1 to 4 years (EO)", "m_1": "Male (EO), 1 to 4 years (EO)"}
    assert found == {(unit, names[band]): value for (unit, _, band), value in CELLS.items()}
    again = run(tmp_path, place, dataset, job="again")
    assert (again.unchanged, again.imported, again.updated) == (8, 0, 0)


def test_what_a_person_changes_of_one_group_is_kept_told_and_not_undone(place: Place, tmp_path: Path) -> None:
    dataset = people(place, {"girls": ["f_0", "f_1"], "boys": ["m_0", "m_1"]})
    cells = {(BO, "2026", "girls"): 3.0, (BO, "2026", "boys"): 4.0}
    place.set_up({"people": dataset}, apply=True)
    run(tmp_path, place, dataset, cells)
    change(place, BO, "boys (EO)", "99")
    summary = run(tmp_path, place, dataset, {**cells, (BO, "2026", "girls"): 5.0, (BO, "2026", "boys"): 6.0}, "later")
    assert (summary.updated, summary.kept_count) == (1, 1)
    assert [(kept.group, kept.value, kept.stored) for kept in summary.kept] == [("boys", "6", "99")]
    found: list[Difference] = []
    compared = reconcile(ResultStore(str(tmp_path)), dataset, YEAR, partial(connect, place.importer), found.extend)
    assert (compared.sent, compared.equal) == (2, 1)
    assert [(one.group, one.sent, one.held, one.likely) for one in found] == [("boys", "4", "99", "changed")]
    assert held(place) == {(BO, "girls (EO)"): 5.0, (BO, "boys (EO)"): 99.0}
    undone = undo(tmp_path, place, dataset, "later")
    assert (undone.updated, undone.deleted, undone.kept_count) == (1, 0, 0)
    undone = undo(tmp_path, place, dataset, "job")
    assert (undone.deleted, undone.kept_count, undone.kept[0].group) == (1, 1, "boys")
    assert held(place) == {(BO, "boys (EO)"): 99.0}


def undo(folder: Path, place: Place, dataset: Dataset, job: str) -> ImportSummary:
    with ImportFiles(JobFolder(ResultStore(str(folder)), job)).changes() as rows:
        found = list(changes_in(rows))
    changes = Changes.of(dataset.dhis2, {job: lambda: nullcontext(iter(found))})
    return undo_in_dhis2(
        ImportFiles(JobFolder(ResultStore(str(folder)), f"undo-{job}")),
        changes,
        dataset,
        False,
        partial(connect, place.importer),
    )


@pytest.mark.parametrize("by", ["id", "name", "options"])
def test_option_combinations_that_dhis2_has_are_named_in_three_ways(place: Place, tmp_path: Path, by: str) -> None:
    made = people(place, BANDS)
    place.set_up({"people": made}, apply=True)
    with connect(place.admin) as dhis2:
        there = dhis2.matching("categoryOptionCombos", "name:like:EO", "id,name,categoryOptions[name]")
    bands = {("Female (EO)", "under 1 year (EO)"): "f_0", ("Male (EO)", "under 1 year (EO)"): "m_0"}
    named = {}
    for combo in there:
        options = sorted(option["name"] for option in combo["categoryOptions"])
        if band := bands.get((options[0], options[1])):
            named[band] = ", ".join(reversed(options)) if by == "options" else combo[by]
    given = people(place, ["f_0", "m_0"], disaggregation=named)
    assert place.set_up({"people": given}).steps == []  # it makes nothing where the file names what is there
    cells = {(BO, "2026", "f_0"): 1.0, (BO, "2026", "m_0"): 2.0}
    assert run(tmp_path, place, given, cells).imported == 2
    assert sorted(held(place).values()) == [1.0, 2.0]


def test_the_check_names_groups_that_dhis2_does_not_have(place: Place, tmp_path: Path) -> None:
    place.set_up({"people": people(place, BANDS)}, apply=True)
    female = "Female (EO), under 1 year (EO)"
    wrong = people(place, ["f_0", "m_0"], disaggregation={"f_0": female, "m_0": "Nobody"})
    summary = run(tmp_path, place, wrong, {(BO, "2026", "f_0"): 1.0})
    assert summary.status == "ERROR" and "sees no option combination for m_0 (Nobody)" in summary.reason
    twice = people(place, ["f_0", "m_0"], disaggregation={"f_0": female, "m_0": "under 1 year (EO), Female (EO)"})
    summary = run(tmp_path, place, twice, {(BO, "2026", "f_0"): 1.0}, "twice")
    assert summary.status == "ERROR" and "f_0 and m_0 mean one option combination" in summary.reason
    assert held(place) == {}
