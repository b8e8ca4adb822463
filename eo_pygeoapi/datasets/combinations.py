"""Check the keys of a dataset that are right by themselves, and wrong together."""

from collections.abc import Iterator
from datetime import date

from pydantic import ValidationError

from eo_pygeoapi.contract.models import Aggregation
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.config_file import problems_of, yaml_path
from eo_pygeoapi.datasets.source import loadable_sources, source_info


def refused_for_directions(aggregation: Aggregation) -> str:
    """Return what directions have, where this is another aggregation than theirs; nothing for theirs."""
    if aggregation == Aggregation(weight=aggregation.weight):
        return ""
    return "have a mean alone, that of vectors; allowed: spatial: mean, temporal: mean"


def combination_problems(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yield the key of the block that is to be changed, and what is wrong and allowed."""
    how = dataset.aggregation
    if dataset.options.directions() and (refused := refused_for_directions(how)):
        yield "aggregation", f"directions {refused}"
    elif refused := dataset.options.refuses(how):
        yield "aggregation", refused
    if refused := dataset.options.refuses_zone(dataset.time_zone, date.today().year):
        yield "timeZone", refused
    if dataset.options.taken_from() and dataset.weighs_people:
        yield (
            "exposure",
            f"and weights of people need places; the values of {dataset.options.taken_from()} are of units",
        )
    if (allowed := dataset.options.period_types()) and dataset.period_type not in allowed:
        yield "periodType", f"{dataset.period_type!r} is not allowed here; allowed: {', '.join(allowed)}"
    yield from _of_people(dataset)
    yield from _of_groups(dataset)


def _of_groups(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with the groups that the values are divided by, and their option combinations."""
    groups, given = dataset.options.divided_by(), dataset.dhis2.disaggregation
    if given and set(given) != set(groups):
        known = ", ".join(groups) or "none, for the values are whole (options.groups)"
        yield "dhis2.disaggregation", f"names {', '.join(given)}, and must name each group; allowed: {known}"
    if len(set(given.values())) < len(given):
        yield "dhis2.disaggregation", "names an option combination twice; merge its groups (options.groups)"
    if groups and (dataset.weighs_people or dataset.aggregation.spatial != "sum"):
        yield "aggregation.spatial", f"{dataset.aggregation.spatial!r} of groups adds up to nothing; allowed: sum"


def _of_people(dataset: Dataset) -> Iterator[tuple[str, str]]:
    spatial, weight = dataset.aggregation.spatial, dataset.aggregation.weight
    if dataset.exposure is not None and (spatial != "mean" or weight == "area"):
        yield "aggregation", "exposure counts people; allowed: spatial: mean and weight: population, or nothing"
    elif dataset.exposure is not None and dataset.options.directions():
        yield "exposure", "is of values above or below a threshold, and the values are directions; leave it out"
    elif weight == "population" and spatial in ("sum", "min", "max", "count"):
        yield "aggregation.weight", f"people do not weigh in {spatial!r}; allowed: mean, std, median, p1 to p99"
    if not dataset.weighs_people:
        return
    if dataset.population is None:
        yield "population", "is required; such as {options: {country: SLE}}, of the source worldpop"
        return
    of_people = [name for name, info in loadable_sources().items() if info.has_people]
    if dataset.population.source not in of_people:
        yield "population.source", f"{dataset.population.source!r} is not allowed; allowed: {', '.join(of_people)}"
        return
    options = source_info(dataset.population.source).options
    try:
        options.model_validate(dataset.population.options, by_name=False)
    except ValidationError as error:
        for problem in problems_of(error, lambda loc: yaml_path("population", "options", *loc), options):
            key, _, said = problem.partition(": ")
            yield key, said
