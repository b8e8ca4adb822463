"""Ask DHIS2 what it has of what the datasets need, and plan the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from eo_pygeoapi.datasets.convention import IMPORTER_GROUP, IMPORTER_ROLE
from eo_pygeoapi.errors import Dhis2Error
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.facts import instant, version_of
from eo_pygeoapi.pipeline.dhis2.identifiers import Object
from eo_pygeoapi.pipeline.dhis2.metadata import disaggregation
from eo_pygeoapi.pipeline.dhis2.metadata.held import OWNED, Held, read_held
from eo_pygeoapi.pipeline.dhis2.metadata.names import shared_titles, taken_names
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Importer, Need, Needs
from eo_pygeoapi.pipeline.dhis2.metadata.plan import Plan, plan_of
from eo_pygeoapi.pipeline.dhis2.metadata.wanted import Surroundings, mistakes, set_of, wanted_objects


@dataclass(frozen=True)
class Survey:
    """A plan, what keeps datasets out of it or DHIS2 from taking it, and of which version the DHIS2 is."""

    plan: Plan
    version: str
    problems: Sequence[str] = field(default_factory=list)


def survey(dhis2: Dhis2, needs: Needs) -> Survey:
    """Return the plan for the datasets of a connection; the user must see all metadata."""
    system = dhis2.system_info()
    version = str(system.get("version", ""))
    held = read_held(dhis2, _first_of(needs)).with_(_user(needs.importer))
    wrong = list(mistakes(needs, held, dhis2.period_types()))
    problems = [f"{need.dataset.id}: {words}" for need, words in wrong]
    left_out = {need.dataset.id for need, _ in wrong}
    needs = replace(needs, datasets=[need for need in needs.datasets if need.dataset.id not in left_out])
    sets: dict[str, list[Need]] = {}
    for need in needs.datasets:
        sets.setdefault(set_of(need, held), []).append(need)
    held = held.with_(read_held(dhis2, [("dataSets", name) for name in sets]))
    lacking = [need for need in needs.datasets if held.get("dataElements", need.data_element) is None]
    one_each = {need.data_element: need.dataset for need in reversed(lacking)}
    titles = shared_titles(dhis2, list(one_each.values()))
    there = Surroundings(held, version_of(system), _default_combo(dhis2), titles)
    plan = plan_of((one, held.by_uid(one.collection, one.id)) for one in wanted_objects(needs, sets, there))
    ids = {held.id_of("dataElements", identifier): dataset.id for identifier, dataset in one_each.items()}
    for taken in taken_names(dhis2, [entry.wanted for entry in plan.entries if entry.held is None]):
        problems.append(f"{ids.get(taken.wanted.id, taken.wanted.code)}: {taken.in_words()}")
    return Survey(plan, version, problems)


def read_importer(dhis2: Dhis2, username: str, password: str = "") -> Importer:
    """Return the user that imports, as DHIS2 has it, if it does; `password` is for a user that is to be made."""
    found = dhis2.matching("users", f"username:eq:{username}", OWNED, as_is=True)
    if not found:
        return Importer(username, password)
    held: Object = found[0]
    roles = dhis2.found("userRoles", [role["id"] for role in held.get("userRoles", [])], "id,authorities")
    authorities = frozenset(name for role in roles for name in role.get("authorities", []))
    return Importer(username, held=held, authorities=authorities)


def read_groups(dhis2: Dhis2, names: Sequence[str]) -> tuple[Mapping[str, str], list[str]]:
    """Return the user groups with these names, codes or UIDs, their names by their UIDs, and those that are none."""
    found: dict[str, str] = {}
    missing: list[str] = []
    for name in names:
        groups: list[Object] = []
        for by in ("code", "id", "name"):
            groups = groups or dhis2.found("userGroups", [name], "id,name", by=by)
        found |= {str(group["id"]): str(group.get("name", name)) for group in groups[:1]}
        missing += [] if groups else [name]
    return found, missing


def today_of(dhis2: Dhis2) -> date:
    """Return the server's day."""
    now = instant(dhis2.system_info().get("serverDate"))
    return now.date() if now else date.today()


def _first_of(needs: Needs) -> list[tuple[str, str]]:
    """Return what to look for before it is known which data sets there are."""
    found = [("userRoles", IMPORTER_ROLE), ("userGroups", IMPORTER_GROUP)]
    for need in needs.datasets:
        found.append(("dataElements", need.data_element))
        found += [("dataSets", need.dataset.dhis2.data_set)] if need.dataset.dhis2.data_set else []
        found += disaggregation.codes_of(need.combination) if need.combination else []
    return found


def _user(importer: Importer | None) -> Held:
    if importer is None or importer.held is None:
        return Held()
    return Held({("users", importer.username): importer.held})


def _default_combo(dhis2: Dhis2) -> str:
    found = dhis2.matching("categoryCombos", "name:eq:default", "id,isDefault")
    defaults = [combo for combo in found if combo.get("isDefault", True)]
    if not defaults:
        raise Dhis2Error("DHIS2 has no category combination `default`, which every DHIS2 has that the user may see")
    return str(defaults[0]["id"])
