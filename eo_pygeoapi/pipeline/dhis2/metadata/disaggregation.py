"""Category combinations: what a disaggregated dataset divides its values by, such as age and sex.

A dataset says in its `dhis2` block what its disaggregation is; this module makes DHIS2's objects of it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.convention import category_code, data_element_code, option_code, option_names
from eo_pygeoapi.pipeline.dhis2.metadata.held import Held
from eo_pygeoapi.pipeline.dhis2.metadata.members import Includes, Is
from eo_pygeoapi.pipeline.dhis2.metadata.objects import Wanted, short
from eo_pygeoapi.pipeline.dhis2.metadata.sharing import Sharing

DISAGGREGATION = "DISAGGREGATION"


@dataclass(frozen=True)
class Category:
    """One dimension of a disaggregation, such as sex; `options` are the names of its options by their codes."""

    code: str
    name: str
    options: Mapping[str, str]


@dataclass(frozen=True)
class CategoryCombination:
    """All dimensions of a disaggregation; DHIS2 makes an option combination of each of their options."""

    code: str
    name: str
    categories: Sequence[Category]


def combination_of(dataset: Dataset) -> CategoryCombination | None:
    """Return the category combination that a dataset needs.

    None for values that are whole, which have the combination `default`, and where the configuration file names option
    combinations that DHIS2 has already.
    """
    divided, title = dataset.options.divided_by(), dataset.title or dataset.id
    if not divided or dataset.dhis2.disaggregation != option_names(divided):
        return None
    categories: dict[str, dict[str, str]] = {}
    for options in divided.values():
        for category, option in options.items():
            # DHIS2 likely has a `Female` of its own already, and takes no second one
            categories.setdefault(category, {})[option_code(category, option)] = f"{option} (EO)"
    return CategoryCombination(
        data_element_code(dataset.id),
        f"{' and '.join(categories)} ({title})",
        [
            Category(category_code(dataset.id, name), f"{name} ({title})", options)
            for name, options in categories.items()
        ],
    )


def codes_of(combination: CategoryCombination) -> Iterator[tuple[str, str]]:
    """Yield the collection and the code of each object that a combination consists of."""
    yield "categoryCombos", combination.code
    for category in combination.categories:
        yield "categories", category.code
        yield from (("categoryOptions", code) for code in category.options)


def wanted_of(combination: CategoryCombination, held: Held, sharing: Sharing) -> Iterator[Wanted]:
    """Yield the objects of a combination; `sharing` is that of options, which share values."""
    seen = Sharing(sharing.importers)
    for category in combination.categories:
        for code, name in category.options.items():
            yield Wanted("categoryOptions", held.id_of("categoryOptions", code), code, name, short(name), (sharing,))
        options = {held.id_of("categoryOptions", code): name for code, name in category.options.items()}
        yield Wanted(
            *("categories", held.id_of("categories", category.code), category.code),
            *(category.name, short(category.name)),
            (Is("dataDimensionType", DISAGGREGATION, usual=True), Includes("categoryOptions", options, "option"), seen),
        )
    categories = {held.id_of("categories", one.code): one.name for one in combination.categories}
    yield Wanted(
        *("categoryCombos", held.id_of("categoryCombos", combination.code), combination.code, combination.name, ""),
        (Is("dataDimensionType", DISAGGREGATION, usual=True), Includes("categories", categories, "category"), seen),
    )
