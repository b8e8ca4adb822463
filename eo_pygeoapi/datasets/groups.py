"""The groups that the values of a dataset are divided by, such as ages: how a source's options name them."""

from typing import Annotated

from pydantic import AfterValidator, Field

# what a feature has beside its groups, in lower case: DuckDB takes names without regard to case
_TAKEN = frozenset(
    "id orgunit name level period start end value validfraction jobid groups geometry version unit title".split()
)


def _free(name: str) -> str:
    if name.lower() in _TAKEN:
        raise ValueError(f"{name!r} is a property that all features have; choose another name")
    return name


GroupName = Annotated[str, Field(max_length=40, pattern=r"^[A-Za-z][A-Za-z0-9_]*$"), AfterValidator(_free)]


def one_each(given: object) -> object:
    """Take a list of bands as groups of one band each."""
    return (
        {band: [band] for band in given}
        if isinstance(given, list) and all(isinstance(b, str) for b in given)
        else given
    )
