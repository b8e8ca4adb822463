from typing import Any

from eo_pygeoapi.jobs.held_parts import (
    LARGE_BYTES,
    delete_held,
    held_subscriber,
    hold_features,
    hold_subscriber,
    with_held_features,
)


class Kept(dict[str, Any]):
    """A results store in memory."""

    def write_json(self, key: str, value: Any) -> None:
        self[key] = value

    def read_json(self, key: str) -> Any:
        return self[key]

    def delete(self, prefix: str) -> None:
        self.pop(prefix, None)


def features(size: int) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": [{"id": "a", "name": "x" * size}]}


def test_small_features_pass() -> None:
    for inputs in ({"datasetId": "rain"}, {"datasetId": "rain", "features": features(10)}):
        store = Kept()
        assert hold_features(inputs, store) == (inputs, {})
        assert with_held_features(inputs, {}, store) == inputs and not store


def test_large_features_go_through_the_store() -> None:
    store = Kept()
    inputs = {"datasetId": "rain", "features": features(LARGE_BYTES), "dryRun": True}
    sent, held = hold_features(inputs, store)
    assert sent == {"datasetId": "rain", "dryRun": True} and "features" in inputs
    assert list(store) == [held["featuresKey"]] and held["featuresKey"].startswith("requests/")
    assert with_held_features(sent, {"response": "raw", **held}, store) == inputs


def test_the_size_is_that_of_the_text_that_is_sent() -> None:
    letters = {"type": "FeatureCollection", "features": [{"id": "é" * (LARGE_BYTES // 5)}]}
    assert hold_features({"features": letters}, Kept())[1]


def test_each_request_has_its_own_key() -> None:
    store = Kept()
    keys = {hold_features({"features": features(LARGE_BYTES)}, store)[1]["featuresKey"] for _ in range(3)}
    assert len(keys) == len(store) == 3


def test_a_subscriber_is_kept_out_of_prefect() -> None:
    store, subscriber = Kept(), {"successUri": "https://example.org/done?token=abc"}
    held = hold_subscriber(subscriber, store)
    assert "abc" not in str(held) and held_subscriber(held, store) == subscriber
    assert hold_subscriber(None, store) == {} and held_subscriber({}, store) == {}


def test_only_held_parts_are_deleted() -> None:
    store = Kept()
    _, held = hold_features({"features": features(LARGE_BYTES)}, store)
    held |= hold_subscriber({"successUri": "https://example.org/done?token=abc"}, store)
    others = {"jobs/1/result.json": 1, "requests/a/../../jobs/1": 2, "requests": 3}
    store |= others

    for key in others:  # as somebody could write them into the parameters of a run
        delete_held({"featuresKey": key, "subscriberKey": 5}, store)
    delete_held({"response": "raw", **held}, store)
    delete_held({"response": "raw", **held}, store)

    assert store == others
