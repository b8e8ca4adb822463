"""`eo-pygeoapi dhis2 setup`: plan, and with `--apply` make, the metadata that the datasets of a connection need."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from eo_pygeoapi.contract.models import Model
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.errors import Dhis2CredentialError, EoError
from eo_pygeoapi.pipeline.dhis2.client import Dhis2, connect
from eo_pygeoapi.pipeline.dhis2.connection import secrets_of
from eo_pygeoapi.pipeline.dhis2.facts import User
from eo_pygeoapi.pipeline.dhis2.metadata.disaggregation import combination_of
from eo_pygeoapi.pipeline.dhis2.metadata.making import make
from eo_pygeoapi.pipeline.dhis2.metadata.members import ALL
from eo_pygeoapi.pipeline.dhis2.metadata.needs import Importer, Need, Needs
from eo_pygeoapi.pipeline.dhis2.metadata.plan import Step
from eo_pygeoapi.pipeline.dhis2.metadata.surveying import read_groups, read_importer, survey, today_of
from eo_pygeoapi.pipeline.org_units.in_dhis2 import units_in_dhis2
from eo_pygeoapi.settings import Dhis2Connection, connection_prefix
from eo_pygeoapi.wording import some


@dataclass(frozen=True)
class Wishes:
    """What the person who calls the command wants: to make the plan true, and whose groups read values."""

    apply: bool = False
    change: bool = False
    readers: Sequence[str] = ()


class Outcome(Model):
    """What became of one connection: the steps of its plan, which `made` says were taken, and what is wrong."""

    connection: str
    address: str
    version: str = ""
    user: str = ""
    importer: str = ""
    steps: list[Step] = []
    made: list[Step] = []
    remarks: list[str] = []
    problems: list[str] = []


def set_up(
    name: str, own: Dhis2Connection, admin: Dhis2Connection | None, datasets: Sequence[Dataset], wishes: Wishes
) -> Outcome:
    """Plan one connection's metadata, and make them if that is wished.

    `own` is how imports log in, and `admin` who makes the metadata, where that is somebody else. What goes wrong is
    among the problems of the outcome.
    """
    outcome = Outcome(connection=name, address=own.url)
    try:
        with connect(admin or own, secrets=secrets_of(own)) as dhis2:
            return _set_up(dhis2, own, datasets, wishes, outcome)
    except EoError as error:
        prefix = f"{connection_prefix(name)}ADMIN_"
        hint = (
            f"; to log in as somebody who may make metadata give --admin NAME, or set {prefix}USERNAME and "
            f"{prefix}PASSWORD, or {prefix}TOKEN"
        )
        needs_admin = admin is None and isinstance(error, Dhis2CredentialError)
        return outcome.model_copy(update={"problems": [f"{error}{hint if needs_admin else ''}"]})


def _set_up(
    dhis2: Dhis2, own: Dhis2Connection, datasets: Sequence[Dataset], wishes: Wishes, outcome: Outcome
) -> Outcome:
    me = User.of(dhis2.me())
    importer, remarks = _importer(dhis2, own, outcome.connection)
    if ALL not in me.authorities:
        remarks.append(f"user {me.username} is no superuser, so DHIS2 may refuse a part of this, or hide one")
    readers, missing = read_groups(dhis2, wishes.readers)
    needs = Needs([_need(dataset, dhis2, remarks) for dataset in datasets], today_of(dhis2), importer, readers)
    found = survey(dhis2, needs)
    problems = [*(f"there is no user group {name!r} (name, code or UID)" for name in missing), *found.problems]
    made: list[Step] = []
    if wishes.apply and not missing:
        make(dhis2, found.plan, change=wishes.change)
        made = found.plan.to_do(wishes.change)
        problems += _left(dhis2, needs, wishes)
    facts = {"version": found.version, "user": me.username, "importer": importer.username if importer else ""}
    done = {"steps": found.plan.steps, "made": made, "remarks": remarks, "problems": problems}
    return outcome.model_copy(update=facts | done)


def _left(dhis2: Dhis2, needs: Needs, wishes: Wishes) -> Iterator[str]:
    """Say what DHIS2 does not have though it took it."""
    if needs.importer:  # who has its role now
        needs = replace(needs, importer=read_importer(dhis2, needs.importer.username))
    for step in survey(dhis2, needs).plan.to_do(wishes.change):
        yield f"DHIS2 took this and does not have it: {step.in_words()}"


def _importer(dhis2: Dhis2, own: Dhis2Connection, name: str) -> tuple[Importer | None, list[str]]:
    """Return the user that imports, whom the connection's own login names, and remarks on it."""
    username, prefix = own.username or "", connection_prefix(name)
    if own.token:
        try:
            with connect(own) as as_importer:
                username = User.of(as_importer.me()).username
        except EoError as error:
            return None, [f"nobody imports yet: {error}"]
    if not username:
        how = f"set {prefix}USERNAME and {prefix}PASSWORD (a new user is made with these), or {prefix}TOKEN of a user"
        return None, [f"nobody imports yet, so role and group have no user: {how}; then run this again"]
    password = own.password.get_secret_value() if own.password else ""
    importer = read_importer(dhis2, username, password)
    if importer.held is None and not password:
        return None, [f"user {username!r} is not there, and cannot be made without a password: set {prefix}PASSWORD"]
    if ALL in importer.authorities:
        return importer, [f"user {username} is a superuser; an import needs one with the role that this makes, no more"]
    return importer, []


def _need(dataset: Dataset, dhis2: Dhis2, remarks: list[str]) -> Need:
    units, missing = units_in_dhis2(dataset, dhis2)
    if missing:
        remarks.append(f"{dataset.id}: DHIS2 has no organisation unit {some(missing)}; the data set gets the others")
    elif not units:
        why = (
            "DHIS2 has none of its organisation units"
            if dataset.org_units
            else "it has no organisation units of its own"
        )
        remarks.append(f"{dataset.id}: {why} (orgUnits), so its data set is assigned to none for it")
    return Need(dataset, units, combination_of(dataset))
