"""Webhooks: they get the document of a job whose import has changed something in DHIS2."""

import base64
import json
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from eo_pygeoapi.errors import ConfigError, EoError
from eo_pygeoapi.jobs import outbound
from eo_pygeoapi.jobs.outbound import OutboundError
from eo_pygeoapi.json_types import JsonMapping
from eo_pygeoapi.settings import notify_variable
from eo_pygeoapi.store.chains import Chain, KeptLink

# with callbacks, all of it must fit into the minute in which a worker leaves the process of an ended job alone
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 1.0
ANSWER_SECONDS = 7.0
# Apprise's names for a webhook
_OF_APPRISE = {"json": "http", "jsons": "https"}

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Webhooks:
    """Calls channels; `address` returns the address of one, which holds secrets and stands in no message."""

    address: Callable[[str], SecretStr | None]
    pause: Callable[[float], None] = time.sleep
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def tell(self, chain: Chain, document: JsonMapping) -> Chain:
        """Post the document to the webhooks of a chain that have not been called; returns what came of it."""
        waiting = [(n, link) for n, link in enumerate(chain.links) if link.webhook and not link.has_ended]
        with ThreadPoolExecutor(max(len(waiting), 1)) as threads:
            told = list(threads.map(lambda entry: self._called(entry[1], chain.job_id, document), waiting))
        for (number, _), link in zip(waiting, told, strict=True):
            chain = chain.replaced(number, link)
        return chain

    def _called(self, link: KeptLink, job_id: str, document: JsonMapping) -> KeptLink:
        try:
            self._post(link.webhook, job_id, document)
        except EoError as error:
            said = f"{link.webhook}: {error}"
            _LOG.warning("webhook %s", said)
            return link.model_copy(update={"status": "failed", "message": said, "finished": self.now()})
        return link.model_copy(update={"status": "successful", "finished": self.now()})

    def _post(self, channel: str, job_id: str, document: JsonMapping) -> None:
        variable = notify_variable(channel)
        if (given := self.address(channel)) is None:
            raise ConfigError(
                f"it has no address; set {variable}, or make the Prefect block notification-channel/{channel}"
            )
        parts = urlsplit(given.get_secret_value())
        scheme = _OF_APPRISE.get(parts.scheme, parts.scheme)
        if scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"{variable} is no address of a webhook; allowed: http(s)://…, json(s)://…")
        user, at, host = parts.netloc.rpartition("@")
        url = parts._replace(scheme=scheme, netloc=host).geturl()
        login = {"Authorization": f"Basic {base64.b64encode(unquote(user).encode()).decode()}"} if at else {}
        headers = login | {"Content-Type": "application/json", "Idempotency-Key": f"{job_id} {channel}"}
        body = json.dumps(document, ensure_ascii=False).encode()
        for attempt in Retrying(
            retry=retry_if_exception_type(OutboundError),
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(FIRST_PAUSE_SECONDS),
            sleep=self.pause,
            reraise=True,
        ):
            with attempt:
                # the address is the operator's own, so it may be a private one
                reply = outbound.request(
                    "POST", url, body=body, headers=headers, seconds=ANSWER_SECONDS, allow_private=True
                )
                if reply.status >= 300:
                    raise OutboundError(f"answered with {reply.status}")
