import logging
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eo_pygeoapi.redaction import MASK, RedactingFilter, redact, redact_json


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # addresses
        ("https://admin:district@play.dhis2.org/api", f"https://{MASK}@play.dhis2.org/api"),
        ("postgresql+asyncpg://u:p@ss:word@db/prefect", f"postgresql+asyncpg://{MASK}@db/prefect"),
        ("s3://key@bucket", f"s3://{MASK}@bucket"),
        ("https://x.org/a?token=abc&b=1", f"https://x.org/a?token={MASK}&b=1"),
        (
            "https://b.s3.org/x?X-Amz-Signature=ab12&X-Amz-Date=1",
            f"https://b.s3.org/x?X-Amz-Signature={MASK}&X-Amz-Date=1",
        ),
        ("https://b.s3.org/x?X-Amz-Security-Token=ab%2B", f"https://b.s3.org/x?X-Amz-Security-Token={MASK}"),
        ("https://a.blob.org/x?sv=1&sig=a%2Fb%3D&se=2", f"https://a.blob.org/x?sv=1&sig={MASK}&se=2"),
        # headers
        ("Authorization: ApiToken d2pat_abc123", f"Authorization: {MASK}"),
        ("Authorization: Basic YTpi", f"Authorization: {MASK}"),
        ("authorization: Bearer abc", f"authorization: {MASK}"),
        ("{'Authorization': 'Basic YWRtaW46ZGlzdHJpY3Q='}", f"{{'Authorization': '{MASK}'}}"),
        ("sent Basic YWRtaW46ZGlzdHJpY3Q= and failed", f"sent Basic {MASK} and failed"),
        ("sent Bearer eyJhbGciOi.J9.x and failed", f"sent Bearer {MASK} and failed"),
        ("sent ApiToken 0123abcd and failed", f"sent ApiToken {MASK} and failed"),
        ("the token d2pat_5xVA12xyUbWNedQxy4ohH77WlxRGVvZZ1151814092", f"the token d2pat_{MASK}"),
        # names and values
        ("password=district", f"password={MASK}"),
        ("EO_DHIS2_NATIONAL_PASSWORD=a,b", f"EO_DHIS2_NATIONAL_PASSWORD={MASK},b"),
        ("AWS_SECRET_ACCESS_KEY=abc/def", f"AWS_SECRET_ACCESS_KEY={MASK}"),
        ("client_secret: abc", f"client_secret: {MASK}"),
        ("api-key: abc; x", f"api-key: {MASK}; x"),
        ("api_key='abc'", f"api_key='{MASK}'"),
        ('password: "two words", x', f'password: "{MASK}", x'),
        ("password='it\\'s'", f"password='{MASK}'"),
        ('{"token": "abc", "b": 1}', f'{{"token": "{MASK}", "b": 1}}'),
        ('"{\\"token\\": \\"abc\\", \\"b\\": 1}"', f'"{{\\"token\\": \\"{MASK}\\", \\"b\\": 1}}"'),
        ("Password:\n  abc", f"Password:\n  {MASK}"),
        ("password=a\\b", f"password={MASK}"),
        ("token: isabella", f"token: {MASK}"),
        ("input dhis2.token: 'abc' is not allowed", f"input dhis2.token: '{MASK}' is not allowed"),
    ],
)
def test_what_looks_like_a_secret_is_masked(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(redact(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "data element 'token_count' does not exist; allowed: a UID or code",
        "data element token_count: 5 values",
        "resources.rain.eo.dhis2.token: is not known here; allowed: connection, dataElement",
        "resources.rain.eo.dhis2.password: is required",
        "DHIS2 refuses Basic authentication; Bearer authentication and ApiToken authentication too",
        "no key for the Climate Data Store (set ECMWF_DATASTORES_URL and ECMWF_DATASTORES_KEY)",
        "set EO_DHIS2_NATIONAL_TOKEN, or EO_DHIS2_NATIONAL_USERNAME and EO_DHIS2_NATIONAL_PASSWORD",
        "the token must be new; a password is needed; secrets: 3",
        "see https://docs.dhis2.org/en/use.html and write to me@example.org",
        "https://example.org/search?mail=me@example.org",
        "https://example.org/#me@example.org",
        "Basic districts of the basic survey",
        "design=5 resig=4 monkey: 5",
        "input start: 'x' is no date; allowed: YYYY, YYYY-MM, YYYY-MM-DD",
        "unknown dataset 'chirps' (enabled: chirps3-daily, era5-land-t2m-daily)",
    ],
)
def test_ordinary_messages_are_left_alone(text: str) -> None:
    assert redact(text) == text


def test_known_secrets_are_masked_wherever_and_however_they_are_written() -> None:
    secrets = ["pässwörd &c", "pässwörd", 'quo"te']
    assert redact("a pässwörd &c b", secrets) == f"a {MASK} b"
    assert redact("a p%C3%A4ssw%C3%B6rd%20%26c b", secrets) == f"a {MASK} b"
    assert redact("a p%C3%A4ssw%C3%B6rd+%26c b", secrets) == f"a {MASK} b"
    assert redact('a quo\\"te p\\u00e4ssw\\u00f6rd b', secrets) == f"a {MASK} {MASK} b"


@pytest.mark.parametrize(
    "written",
    ["a/b+c=d", "a%2Fb%2Bc%3Dd", "a%2fb%2bc%3dd", "a/b%2Bc%3Dd", "a/b%2bc%3dd", "a%252Fb%252Bc%253Dd"],
)
def test_a_known_secret_is_masked_however_an_address_writes_it(written: str) -> None:
    assert redact(f"/vsicurl?url=x-{written}.tif", ["a/b+c=d"]) == f"/vsicurl?url=x-{MASK}.tif"


def test_very_short_secrets_would_make_every_text_unreadable() -> None:
    assert redact("a cat sat", ["cat", "a", ""]) == "a cat sat"
    assert redact("some cats sat", ["cats"]) == f"some {MASK} sat"


@settings(deadline=None)
@given(st.text(), st.lists(st.text(min_size=4), max_size=3))
def test_no_known_secret_remains(text: str, secrets: list[str]) -> None:
    secrets = [secret for secret in secrets if "*" not in secret]
    redacted = redact(text.join(secrets), secrets)
    assert not any(secret in redacted for secret in secrets)


@pytest.mark.parametrize("piece", ["a", "token", "token:", "://", 'token: "', "Bearer ", "token ", "Basic abcd", "x@"])
def test_long_texts_take_no_long_time(piece: str) -> None:
    text = piece * (300_000 // len(piece))
    before = time.process_time()
    redact(text)
    assert time.process_time() - before < 5


def test_json_values_keep_their_form() -> None:
    value = {"a": ["token=abc", 5, None], "password": {"x": 1}, "dhis2": {"apiKey": "x", "dataSet": "y"}, "tokens": 2}
    assert redact_json(value, ["5555"]) == {
        "a": [f"token={MASK}", 5, None],
        "password": MASK,
        "dhis2": {"apiKey": MASK, "dataSet": "y"},
        "tokens": 2,
    }
    assert redact_json("5555", iter(["5555"])) == MASK


# Logs


def formatted(record: logging.LogRecord, *secrets: str) -> str:
    assert RedactingFilter(secrets).filter(record)
    return logging.Formatter("%(levelname)s %(message)s").format(record)


def record(message: str, *args: object, **members: object) -> logging.LogRecord:
    made = logging.LogRecord("x", logging.INFO, "x.py", 1, message, args, None)
    made.__dict__.update(members)
    return made


def test_messages_of_records_are_redacted_after_their_arguments_are_in() -> None:
    assert formatted(record("log in with %s: %r", "token", "abc")) == f"INFO log in with token: '{MASK}'"
    assert formatted(record("say %s", "hunter2"), "hunter2") == f"INFO say {MASK}"
    assert formatted(record("100 %% of %(a)s", {"a": "hunter2"}), "hunter2") == f"INFO 100 % of {MASK}"
    assert formatted(record("100 % of it")) == "INFO 100 % of it"


def test_a_record_may_pass_several_filters() -> None:
    same = record("%s of 100 %%", "token=abc")
    assert formatted(same) == formatted(same) == f"INFO token={MASK} of 100 %"


def test_tracebacks_and_stacks_are_redacted() -> None:
    try:
        raise RuntimeError("GET https://admin:district@dhis2.org failed")
    except RuntimeError as error:
        made = record("it failed", exc_info=(type(error), error, error.__traceback__), stack_info="password='abc'")
    text = formatted(made)
    assert f"RuntimeError: GET https://{MASK}@dhis2.org failed" in text and f"password='{MASK}'" in text
    assert "district" not in text and "abc" not in text
    assert MASK in formatted(record("x", exc_text="token=abc"))


def test_records_without_an_exception_pass() -> None:
    assert formatted(record("x", exc_info=(None, None, None))).startswith("INFO x")


@pytest.mark.parametrize(
    ("message", "args"), [("%d values", ("token=abc",)), ("%s %s", ("token=abc",)), ("%(a)s", ({},))]
)
def test_arguments_that_do_not_fit_do_not_end_the_program(message: str, args: tuple[object, ...]) -> None:
    text = formatted(record(message, *args))
    assert text.startswith(f"INFO {message}") and "abc" not in text


def test_the_filter_works_on_a_handler(caplog: pytest.LogCaptureFixture) -> None:
    redacting = RedactingFilter(iter(["hunter2"]))
    caplog.handler.addFilter(redacting)
    try:
        for _ in range(2):
            logging.getLogger("tests.redaction").error("log in with %s", "hunter2")
    finally:
        caplog.handler.removeFilter(redacting)
    assert caplog.messages == [f"log in with {MASK}"] * 2
