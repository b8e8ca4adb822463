"""UIDs made from codes, so that the same setup makes the same objects on every server."""

import hashlib
import string

_LETTERS = string.ascii_letters
_LETTERS_AND_DIGITS = f"{string.ascii_letters}{string.digits}"


def uid_of(collection: str, code: str) -> str:
    """Return the UID for the object of a collection (`dataElements`) that has this code."""
    number = int.from_bytes(hashlib.sha256(f"{collection} {code}".encode()).digest())
    number, place = divmod(number, len(_LETTERS))
    made = _LETTERS[place]
    while len(made) < 11:
        number, place = divmod(number, len(_LETTERS_AND_DIGITS))
        made += _LETTERS_AND_DIGITS[place]
    return made
