"""Published values as an OGC API - Features collection: the provider that pygeoapi loads."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from copy import deepcopy
from functools import cached_property, lru_cache
from typing import Any

from pygeoapi.crs import crs_transform
from pygeoapi.provider.base import (
    BaseProvider,
    ProviderConnectionError,
    ProviderInvalidQueryError,
    ProviderItemNotFoundError,
)

from eo_pygeoapi.errors import InputError, ResultsError
from eo_pygeoapi.json_types import JsonObject
from eo_pygeoapi.settings import process_settings
from eo_pygeoapi.store.features import feature_id, groups_of
from eo_pygeoapi.store.item_filters import (
    FIELDS,
    bbox_condition,
    cql_condition,
    datetime_condition,
    parse_simplify,
    property_condition,
    text_condition,
)
from eo_pygeoapi.store.reader import Order, PublishedReader, Wanted
from eo_pygeoapi.store.store import ResultStore

# the beginning of a reference to an outline, in an answer that has it in place of the outline
REFERENCE = "outline:"
_REFERENCED: ContextVar[dict[str, str] | None] = ContextVar("referenced outlines", default=None)


@contextmanager
def outlines_by_reference() -> Iterator[dict[str, str]]:
    """Have features refer to their outlines in this block; yields the texts of the outlines, by their keys."""
    outlines: dict[str, str] = {}
    token = _REFERENCED.set(outlines)
    try:
        yield outlines
    finally:
        _REFERENCED.reset(token)


@lru_cache(maxsize=4)
def shared_reader(url: str, process: int) -> PublishedReader:
    """Return this process's one reader of a store; a fork of the process must not use its parent's."""
    return PublishedReader(ResultStore(url))


class ResultsProvider(BaseProvider):  # type: ignore[misc]
    """The published values of one dataset, the provider's `data`; coordinates are longitude and latitude.

    `reader` is for tests; by default it comes from the environment at the first query, for pygeoapi makes providers
    when it starts and for every request.
    """

    def __init__(self, provider_def: JsonObject, reader: PublishedReader | None = None) -> None:
        super().__init__(provider_def)
        self.include_extra_query_parameters = True  # `simplify` is no property
        self.id_field = provider_def.get("id_field", "id")
        # without one, the OpenAPI document does not offer `datetime`
        self.time_field = provider_def.get("time_field", "start")
        self._fields = self.get_fields()
        self._given_reader = reader

    def get_fields(self) -> dict[str, dict[str, str]]:
        """Return the properties and their JSON Schema types; a copy, for pygeoapi adds to them."""
        return deepcopy(FIELDS)

    @crs_transform  # type: ignore[untyped-decorator]
    def query(
        self,
        offset: int = 0,
        limit: int = 10,
        resulttype: str = "results",
        bbox: Sequence[float] = (),
        datetime_: str | None = None,
        properties: Sequence[tuple[str, str]] = (),
        sortby: Sequence[dict[str, str]] = (),
        select_properties: Sequence[str] = (),
        skip_geometry: bool = False,
        q: str | None = None,
        filterq: object = None,
        **kwargs: object,
    ) -> JsonObject:
        """Return a page of features, by period and unit unless `sortby` says otherwise, and the number of all.

        Raises ProviderInvalidQueryError for a filter that is not allowed, ProviderConnectionError when the store
        cannot be read.
        """
        with _translated():
            own = [(name, text) for name, text in properties if name in FIELDS]
            conditions = _conditions(bbox, datetime_, own, q, filterq)
            simplify = parse_simplify(dict(properties).get("simplify", ""))
            if unknown := [sort["property"] for sort in sortby if sort["property"] not in FIELDS]:
                raise InputError(f"sortby: unknown property {unknown[0]!r}; allowed: {', '.join(FIELDS)}")
            order = [Order(sort["property"], sort["order"] == "-") for sort in sortby]
            if resulttype == "hits":
                return _collection([], self._reader.count(self.data, conditions))
            page = self._reader.outlined_page(
                self.data, conditions, order, offset, limit, with_geometry=not skip_geometry, simplify=simplify
            )
        selected = self._selected(select_properties)
        geometries = _geometries(page.outlines, kwargs.get("crs_transform_spec") is not None)
        return _collection([_feature(row, geometries, selected) for row in page.rows], page.matched)

    @crs_transform  # type: ignore[untyped-decorator]
    def get(self, identifier: str, **kwargs: Any) -> JsonObject:
        """Return one feature by its id; ProviderItemNotFoundError when there is none."""
        org_unit, _, period = identifier.rpartition("-")
        with _translated():
            conditions = [property_condition("orgUnit", org_unit), property_condition("period", period)]
            page = self._reader.outlined_page(self.data, conditions, [], 0, 1)
        if not page.rows:
            raise ProviderItemNotFoundError(user_msg=f"there is no item {identifier!r} in {self.data!r}")
        return _feature(page.rows[0], _geometries(page.outlines, transformed=True), self._selected(()))

    def _selected(self, asked: Sequence[str]) -> list[str]:
        """Return the properties to show: those of the request, else those that the configuration names, else all."""
        wanted = asked or self.properties or FIELDS
        return [name for name in FIELDS if name in wanted]

    @cached_property
    def _reader(self) -> PublishedReader:
        return self._given_reader or shared_reader(process_settings().results, os.getpid())


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except InputError as error:
        raise ProviderInvalidQueryError(user_msg=str(error)) from error
    except ResultsError as error:
        raise ProviderConnectionError(str(error), user_msg="the results store cannot be read") from error


def _conditions(
    bbox: Sequence[float], datetime_: str | None, properties: Sequence[tuple[str, str]], q: str | None, filterq: object
) -> list[Wanted]:
    conditions: list[Wanted] = [property_condition(name, text) for name, text in properties]
    if bbox:
        conditions.append(bbox_condition(bbox))
    if datetime_ is not None:
        conditions.append(datetime_condition(datetime_))
    if q:
        conditions.append(text_condition(q))
    if filterq is not None:
        conditions.append(cql_condition(filterq))
    return conditions


def _collection(features: list[JsonObject], matched: int) -> dict[str, object]:
    return {
        "type": "FeatureCollection",
        "features": features,
        "numberMatched": matched,
        "numberReturned": len(features),
    }


def _geometries(outlines: Mapping[str, str], transformed: bool) -> JsonObject:
    """Return geometries by their keys: references where the answer takes them, else, and to be transformed, objects."""
    answer = _REFERENCED.get()
    if answer is None or transformed:
        return {key: json.loads(text) for key, text in outlines.items()}
    answer.update(outlines)
    return {key: f"{REFERENCE}{key}" for key in outlines}


def _feature(row: JsonObject, geometries: Mapping[str, object], selected: Sequence[str]) -> dict[str, object]:
    days = {"start": row["start"].isoformat(), "end": row["end"].isoformat()}
    groups = groups_of(row) if "value" in selected else {}
    return {
        "type": "Feature",
        "id": feature_id(row["orgUnit"], row["period"]),
        "geometry": geometries.get(row["geometry"]),
        "properties": {name: days.get(name, row[name]) for name in selected} | groups,
    }
