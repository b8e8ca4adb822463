"""Which channel is told of which problem, when, and in which words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from eo_pygeoapi.contract.operations import Told
from eo_pygeoapi.datasets.block import Dataset
from eo_pygeoapi.datasets.operations import Channel, Event
from eo_pygeoapi.watch.problems import Book, Changes, KeptProblem

TITLES: dict[Event, str] = {
    "failed": "a job failed",
    "refused": "DHIS2 refused values",
    "implausible": "data are not plausible",
    "late": "data are late",
    "stale-provider": "the provider has stopped",
    "missed": "a schedule did not run",
    "credential": "a credential is not accepted, or expires soon",
    "worker": "no worker is alive",
    "disk": "the disk is nearly full",
    "recovered": "recovered",
}


@dataclass(frozen=True)
class Words:
    """What a channel is told, of which problem; and whether that is over."""

    title: str
    body: str
    problem: str = ""
    over: bool = False


def hears(name: str, channel: Channel, problem: KeptProblem, datasets: Mapping[str, Dataset]) -> bool:
    """Tell whether a channel is meant to hear of a problem."""
    if problem.kind not in channel.events or (channel.tenant and channel.tenant != problem.tenant):
        return False
    if problem.channel == name:  # when it hears of that, it is over
        return False
    named = [datasets[id_].notify for id_ in problem.datasets if id_ in datasets]
    return not named or any(notify is None or name in notify for notify in named)


def is_due(channel: Channel, name: str, problem: KeptProblem, now: datetime) -> bool:
    """Tell whether a channel that hears of a problem is to be told now: first, when it got worse, or as a reminder."""
    if channel.after and now - problem.since < channel.after:
        return False
    before = [told for told in problem.told if told.channel == name]
    if not before:
        return True
    last = before[-1]
    return problem.times > last.times or now - last.at >= channel.remind


class Teller:
    """Tells the channels of a configuration what a book of problems holds."""

    def __init__(
        self,
        book: Book,
        channels: Mapping[str, Channel],
        datasets: Mapping[str, Dataset],
        put: Callable[[str, Words, datetime], None],
        base_url: str,
    ) -> None:
        self._book = book
        self._channels = channels
        self._datasets = datasets
        self._put = put
        self._base_url = base_url

    def tell(self, changes: Changes, now: datetime) -> None:
        """Tell of every open problem whose time has come, and of those that have just closed."""
        for problem in self._book.open():
            channels = [
                name
                for name, channel in self._channels.items()
                if hears(name, channel, problem, self._datasets) and is_due(channel, name, problem, now)
            ]
            if not channels:
                continue
            lines = [problem.message, f"Since {_moment(problem.since)}.", problem.what_to_do, *self._links(problem)]
            words = Words(title(problem), "\n".join(line for line in lines if line), problem.id)
            for name in channels:
                self._put(name, words, now)
            # the last telling of each channel is all that counts
            told = {entry.channel: entry for entry in problem.told}
            told |= {name: Told(channel=name, at=now, times=problem.times) for name in channels}
            update = {"told": list(told.values()), "told_title": title(problem), "told_message": problem.message}
            update["unheard"] = [name for name in problem.unheard if name not in channels]
            self._book.told(problem.model_copy(update=update))
        for problem in changes.closed:
            assert problem.until is not None
            lasted = f"It lasted from {_moment(problem.since)} to {_moment(problem.until)}."
            # in the words that it was told in: fewer datasets may have had it at the end
            body = "\n".join(
                [f"This is over: {problem.told_message or problem.message}", lasted, *self._links(problem)]
            )
            words = Words(f"Recovered: {problem.told_title or title(problem)}", body, problem.id, over=True)
            for name in dict.fromkeys(told.channel for told in problem.told):
                heard = name in self._channels and name not in problem.unheard
                if heard and "recovered" in self._channels[name].events:
                    self._put(name, words, now)

    def _links(self, problem: KeptProblem) -> Iterator[str]:
        if problem.job_id:
            yield f"Job: {self._base_url}/jobs/{problem.job_id}"
        if problem.dataset:
            yield f"Dataset: {self._base_url}/datasets/{problem.dataset}"
        yield f"All problems: {self._base_url}/problems"


def title(problem: KeptProblem) -> str:
    """Return a line that says what happened, and to which dataset."""
    subject = problem.dataset or (f"{len(problem.datasets)} datasets" if problem.datasets else "eo_pygeoapi")
    return f"{subject}: {problem.title or TITLES[problem.kind]}"


def _moment(moment: datetime) -> str:
    return f"{moment:%d %B %Y, %H:%M} UTC".lstrip("0")
