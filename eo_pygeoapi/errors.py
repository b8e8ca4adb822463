"""The tree of our errors.

    EoError
    ├── InputError               400  a request's inputs; lists every problem at once
    │   └── OrgUnitsError        400  organisation units that do not exist or have no geometry
    ├── UnauthorizedError        401  a request without a token, where one is needed
    ├── ForbiddenError           403  a token that does not allow the request
    ├── MediaTypeError           415  a body that is not JSON by its own account
    ├── QueryError               400  a query parameter of a request
    ├── NoSuchOutputError        400  an output that the process does not have
    ├── ConfigError              500  the configuration file; lists every problem with its YAML path
    ├── NotInstalledError        500  an extra of this package that a command needs
    ├── NotAppliedError          503  a dataset that the file enables but Prefect does not know yet
    ├── OtherConfigurationError  503  a worker whose configuration file is not what the job was submitted with
    ├── EngineUnavailableError   503  Prefect does not answer
    ├── NoSuchProcessError       404  no process of ours has this id
    ├── NoSuchJobError           404  no flow run of ours has this id
    ├── NoSuchDatasetError       404  no enabled dataset has this id
    ├── NoSuchScheduleError      404  the dataset has no schedule of this name
    ├── ResultNotReadyError      404  the job has not ended
    ├── ResultNotAvailableError  404  the job ended and has no such result
    ├── ResultsError             500  results that should be in the store and are not
    │   └── StoreUnavailableError 503 an object store does not answer; worth another try
    ├── SourceError              502  a provider's data are missing, damaged or not what was expected
    │   ├── SourceCredentialError 502 the provider does not accept the key, or wants one
    │   ├── StaleProviderError   502  the provider has stopped: its newest day is long past its usual delay
    │   └── SourceUnavailableError 504  the provider is away; worth another try
    ├── NoDataError              404  nothing is published for the dates of the request
    │   └── NotPublishedYetError 404  nothing is published yet; it is expected within days
    └── Dhis2Error               502  DHIS2 refused
        ├── Dhis2CredentialError 502  DHIS2 does not accept the user, or gives it too few rights
        └── Dhis2UnavailableError 504  DHIS2 is away; worth another try

Each class carries the HTTP status and the OGC exception code that the API answers with, whether trying again may help
within minutes (`transient`) or within hours (`later`), as which event the channels of `eo.notify` hear of a job that it
ended (`event`), and who is away, so that all jobs that failed for it are one problem (`away`). Foreign exceptions are
translated once, at the edge that talks to the outside.
"""

from collections.abc import Sequence
from datetime import date
from http import HTTPStatus
from typing import ClassVar, Literal, get_args

Away = Literal["", "provider", "DHIS2"]  # nobody, the provider of a dataset, or the DHIS2 of its connection
AWAY: tuple[Away, ...] = get_args(Away)
RETRY_AFTER_SECONDS = 10  # what a 503 tells clients to wait


class EoError(Exception):
    """Base of all errors that a person is meant to read."""

    status: ClassVar[HTTPStatus] = HTTPStatus.INTERNAL_SERVER_ERROR
    code: ClassVar[str] = "NoApplicableCode"
    transient: ClassVar[bool] = False
    later: ClassVar[bool] = False
    event: ClassVar[str] = "failed"
    away: ClassVar[Away] = ""


class ProblemsError(EoError):
    """Base of the errors that list every problem at once, one sentence each."""

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: list[str] = [problems] if isinstance(problems, str) else list(problems)
        super().__init__("; ".join(self.problems))


class InputError(ProblemsError):
    """A request's inputs are not what the process accepts."""

    status = HTTPStatus.BAD_REQUEST
    code = "InvalidParameterValue"


class OrgUnitsError(InputError):
    """The organisation units of a request do not exist, or have no geometry."""


class UnauthorizedError(EoError):
    """A request needs a token, and has none that is known."""

    status = HTTPStatus.UNAUTHORIZED
    code = "Unauthorized"


class ForbiddenError(EoError):
    """The request is not allowed; `scope` is that of a token which would be, `what_to_do` says how to have one."""

    status = HTTPStatus.FORBIDDEN
    code = "Forbidden"

    def __init__(self, message: str, scope: str, what_to_do: str = "") -> None:
        super().__init__(message)
        self.scope = scope
        self.what_to_do = what_to_do or token_wanted(f"--scope {scope}")


def token_wanted(options: str) -> str:
    """Return who can make a token with these options, and how."""
    return f"Whoever looks after this server can make a token for you: `eo-pygeoapi token create NAME {options}`."


class MediaTypeError(EoError):
    """The body of a request is not JSON, as its Content-Type says."""

    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE
    code = "UnsupportedMediaType"


class QueryError(ProblemsError):
    """A query parameter has a value that is not allowed."""

    status = HTTPStatus.BAD_REQUEST
    code = "InvalidQueryParameterValue"


class NoSuchOutputError(ProblemsError):
    """The process has no output of this id."""

    status = HTTPStatus.BAD_REQUEST
    code = "NoSuchOutput"


class ConfigError(ProblemsError):
    """The configuration file has mistakes."""


class NotInstalledError(EoError):
    """A command needs libraries that an extra of this package brings, and they are not installed."""


class NotAppliedError(EoError):
    """The dataset is enabled in the file, but `eo-pygeoapi apply` has not run since."""

    status = HTTPStatus.SERVICE_UNAVAILABLE


class OtherConfigurationError(EoError):
    """The worker's configuration file says something else than the one that the job was submitted with."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    later = True


class EngineUnavailableError(EoError):
    """Prefect cannot be reached or does not answer in time."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    transient = True
    later = True


class NoSuchProcessError(EoError):
    """No process of ours has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "NoSuchProcess"


class NoSuchJobError(EoError):
    """No flow run of ours has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "NoSuchJob"


class NoSuchDatasetError(EoError):
    """No enabled dataset has this id."""

    status = HTTPStatus.NOT_FOUND
    code = "NotFound"


class NoSuchScheduleError(EoError):
    """No enabled dataset has a schedule of this name."""

    status = HTTPStatus.NOT_FOUND
    code = "NotFound"


class ResultNotReadyError(EoError):
    """The job has not ended, so it has no results yet."""

    status = HTTPStatus.NOT_FOUND
    code = "ResultNotReady"


class ResultNotAvailableError(EoError):
    """The job has ended without this result."""

    status = HTTPStatus.NOT_FOUND
    code = "ResultNotAvailable"


class ResultsError(EoError):
    """The results store cannot be read or written, or lacks what it should hold."""


class StoreUnavailableError(ResultsError):
    """The results store is elsewhere and does not answer, or not whole; trying again may help."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
    transient = True
    later = True


class SourceError(EoError):
    """A provider's data are missing, damaged or not what the dataset's configuration says."""

    status = HTTPStatus.BAD_GATEWAY


class SourceCredentialError(SourceError):
    """The provider does not accept the key, or wants one."""

    event = "credential"


class StaleProviderError(SourceError):
    """The provider has stopped: its newest day is older than twice its usual delay."""

    event = "stale-provider"


class SourceUnavailableError(SourceError):
    """The provider does not answer; trying again may help."""

    away = "provider"
    status = HTTPStatus.GATEWAY_TIMEOUT
    transient = True
    later = True


class NoDataError(EoError):
    """Nothing is published yet, or ever, for the dates of the request."""

    status = HTTPStatus.NOT_FOUND


class NotPublishedYetError(NoDataError):
    """Nothing is published yet for the dates that were asked for; `expected` is the day from which it may be."""

    later = True

    def __init__(self, message: str, expected: date | None = None) -> None:
        super().__init__(message)
        self.expected = expected


class Dhis2Error(EoError):
    """DHIS2 refused what was asked of it."""

    status = HTTPStatus.BAD_GATEWAY


class Dhis2CredentialError(Dhis2Error):
    """DHIS2 does not accept the user of the connection, or gives it too few rights."""

    event = "credential"


class Dhis2UnavailableError(Dhis2Error):
    """DHIS2 does not answer; trying again may help."""

    away = "DHIS2"
    status = HTTPStatus.GATEWAY_TIMEOUT
    transient = True
    later = True
