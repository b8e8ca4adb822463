"""Compile each template once.

pygeoapi makes an environment of Jinja for each page, which would compile all templates of the page each time: four
fifths of what a page took.
"""

from functools import partial

from jinja2 import BytecodeCache, Environment
from jinja2.bccache import Bucket
from pygeoapi import util


class CompiledTemplates(BytecodeCache):
    """Keeps compiled templates in memory; Jinja compares the hash of their text, so an edit counts at once."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        """Load what is kept into the bucket."""
        if code := self._code.get(bucket.key):
            bucket.bytecode_from_string(code)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled."""
        self._code[bucket.key] = bucket.bytecode_to_string()


def compile_once() -> None:
    """Have all environments that pygeoapi makes share what they compile."""
    util.Environment = partial(Environment, bytecode_cache=CompiledTemplates())
