"""JSON that is passed on as it came; what is looked into is a model."""

type Json = None | bool | int | float | str | list[Json] | dict[str, Json]
