"""Mistakes in a form, each beside the field that it is about, and all of them above the form."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

from eo_pygeoapi.api.http.allowed import in_words, sentence
from eo_pygeoapi.errors import EoError, ForbiddenError, ProblemsError

# `input start, end: no whole month`, `limit: '0' is not allowed`
_OF_FIELD = re.compile(r"(?:input )?(?P<names>[\w.\[\]]+(?:(?:, | and )[\w.\[\]]+)*): (?P<said>.+)", re.DOTALL)
_NAME = re.compile(r"[^.\[]+")


@dataclass(frozen=True)
class Mistake:
    """One sentence, and the ids of the fields that it is about, if any."""

    said: str
    fields: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mistakes:
    """What is wrong with a form, as templates ask for it."""

    all: tuple[Mistake, ...] = ()

    @classmethod
    def of(cls, error: EoError, fields: Collection[str], stands_for: Mapping[str, str] | None = None) -> Self:
        """Return what an error says of a form with these fields.

        `stands_for` names the field of an input or parameter that is called otherwise.
        """
        if isinstance(error, ForbiddenError):
            return cls((Mistake(in_words(error)),))
        said = error.problems if isinstance(error, ProblemsError) else [str(error)]
        return cls(tuple(_mistake(text, fields, stands_for or {}) for text in said))

    def beside(self, field: str) -> list[str]:
        """Return what is wrong with a field."""
        return [mistake.said for mistake in self.all if field in mistake.fields]


def _mistake(text: str, fields: Collection[str], stands_for: Mapping[str, str]) -> Mistake:
    if not (found := _OF_FIELD.fullmatch(text)):
        return Mistake(sentence(text))
    names = [match[0] for name in re.split(r", | and ", found["names"]) if (match := _NAME.match(name))]
    known = tuple(field for name in names if (field := stands_for.get(name, name)) in fields)
    return Mistake(sentence(found["said"]), known) if known else Mistake(sentence(text))
