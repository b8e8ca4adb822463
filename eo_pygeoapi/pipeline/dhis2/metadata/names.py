"""The names of new objects, of which DHIS2 takes each once, and no long ones."""

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.convention import data_element_code
from eo_pygeoapi.pipeline.dhis2.client import Dhis2
from eo_pygeoapi.pipeline.dhis2.identifiers import Object
from eo_pygeoapi.pipeline.dhis2.metadata.objects import KINDS, LONGEST, SHORTEST, Wanted

# by collection: what no two of its objects may have alike, and its member in our objects
UNIQUE: Mapping[str, Mapping[str, str]] = {
    "categoryOptions": {"name": "name", "shortName": "short_name"},
    "categories": {"name": "name", "shortName": "short_name"},
    "categoryCombos": {"name": "name"},
    "dataElements": {"name": "name", "shortName": "short_name"},
    "dataSets": {"shortName": "short_name"},
    "userRoles": {"name": "name"},
}
_TITLE_OF_SHORT_NAME = 30  # characters of the title, at most, beside the id
_NAMES_IN_URL = 10
_FIELDS = "id,code,name,shortName"


def names_of(dataset: Dataset, shared: Collection[str]) -> tuple[str, str]:
    """Return the name and the short name of a dataset's new data element.

    `shared` are titles that another data element has or will have: then, or if the title is too long, the id of the
    dataset stands beside it.
    """
    title = dataset.title or dataset.id
    name = title if len(title) <= LONGEST and title not in shared else _with_id(title, dataset.id, LONGEST)
    return name, name if len(name) <= SHORTEST else _with_id(title[:_TITLE_OF_SHORT_NAME], dataset.id, SHORTEST)


def _with_id(title: str, id_: str, most: int) -> str:
    """Return a title and an id in so many characters: what is too long of the title is left out, then of the id."""
    if len(id_) > most - 4:  # the title has at least one character
        id_ = f"{id_[: most - 13]}-{hashlib.sha256(id_.encode()).hexdigest()[:8]}"
    return f"{title[: most - len(id_) - 3].rstrip()} ({id_})"


def shared_titles(dhis2: Dhis2, datasets: Sequence[Dataset]) -> frozenset[str]:
    """Return the titles that several of these datasets have, or that a data element of another dataset is called by."""
    counts = Counter(dataset.title or dataset.id for dataset in datasets)
    own = {dataset.dhis2.data_element for dataset in datasets}
    of_ours = {
        str(found["name"])
        for found in _having(dhis2, "dataElements", "name", [title for title in counts if len(title) <= LONGEST])
        if (code := str(found.get("code") or "")).startswith(data_element_code("")) and code not in own
    }
    return frozenset({title for title, count in counts.items() if count > 1} | of_ours)


@dataclass(frozen=True)
class Taken:
    """A name that a new object would have, and the object of DHIS2 that has it already."""

    wanted: Wanted
    member: str
    by: Object

    def in_words(self) -> str:
        """Say who has the name, and what to do."""
        kind, code = KINDS[self.wanted.collection], str(self.by.get("code") or self.by["id"])
        name, what = self.by.get(self.member), "short name" if self.member == "shortName" else "name"
        said = f"the {kind} {code} has the {what} “{name}” already, and DHIS2 takes each once"
        if self.wanted.collection == "dataElements":
            return f"{said}; to use it set dhis2.dataElement: {code}, else give the dataset another title"
        return f"{said}; rename it in DHIS2, for {kind} {self.wanted.code} to be made"


def taken_names(dhis2: Dhis2, new: Sequence[Wanted]) -> Iterator[Taken]:
    """Yield the names of new objects that other objects of DHIS2 have."""
    for collection, members in UNIQUE.items():
        of_kind = [wanted for wanted in new if wanted.collection == collection]
        said = set[str]()  # one line for an object
        for member, attribute in members.items():
            by_name = {str(getattr(wanted, attribute)): wanted for wanted in of_kind}
            for found in _having(dhis2, collection, member, list(by_name)):
                wanted = by_name.get(str(found.get(member)))
                if wanted and wanted.id not in said:
                    said.add(wanted.id)
                    yield Taken(wanted, member, found)


def _having(dhis2: Dhis2, collection: str, member: str, names: Sequence[str]) -> Iterator[Object]:
    for some in batched(names, _NAMES_IN_URL):
        yield from dhis2.found(collection, some, _FIELDS, by=member)
