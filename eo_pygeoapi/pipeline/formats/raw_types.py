"""What is asked of a variable and a dataset as they are stored, whichever library opened them."""

from collections.abc import Hashable, Mapping
from typing import Any, Protocol

import numpy as np


class RawVariable(Protocol):
    """A variable, not decoded."""

    @property
    def dims(self) -> tuple[Hashable, ...]: ...  # noqa: D102
    @property
    def shape(self) -> tuple[int, ...]: ...  # noqa: D102
    @property
    def ndim(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102
    @property
    def sizes(self) -> Mapping[Hashable, int]: ...  # noqa: D102
    @property
    def dtype(self) -> np.dtype[Any]: ...  # noqa: D102
    @property
    def attrs(self) -> Mapping[Any, Any]: ...  # noqa: D102
    @property
    def values(self) -> np.ndarray[Any, Any]: ...  # noqa: D102


class RawDataset(Protocol):
    """The variables of a file or of a group in it, by their names."""

    @property
    def variables(self) -> Mapping[Any, Any]: ...  # noqa: D102
