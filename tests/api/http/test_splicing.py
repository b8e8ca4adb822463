"""Gzip whose parts are compressed once; what comes out must be what everybody else's gzip reads."""

import gzip
import io
import re
import zlib

from hypothesis import given
from hypothesis import strategies as st

from eo_pygeoapi.api.http.splicing import spliced_gzip

REFERENCE = re.compile(r"<([a-c])>")
PARTS = {"a": "", "b": "é" * 70_000, "c": "".join(f"[{n}.5,{n}]," for n in range(20_000))}
TEXTS = st.lists(st.one_of(st.text(max_size=20), st.sampled_from(["<a>", "<b>", "<c>"])), max_size=8).map("".join)


@given(TEXTS)
def test_it_is_the_text_with_its_parts(text: str) -> None:
    whole = REFERENCE.sub(lambda found: PARTS[found[1]], text).encode()
    packed = spliced_gzip(text, REFERENCE, PARTS.__getitem__)

    assert gzip.decompress(packed) == whole
    # in one stream, as browsers want it, with nothing after it
    stream = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert stream.decompress(packed) + stream.flush() == whole and stream.eof and not stream.unused_data
    assert gzip.GzipFile(fileobj=io.BytesIO(packed)).read() == whole


def test_a_part_that_comes_again_costs_its_block_and_no_work() -> None:
    once, often = (spliced_gzip("<c>" * count, REFERENCE, PARTS.__getitem__) for count in (1, 50))

    assert len(often) < 51 * len(once) < 51 * len(PARTS["c"]) / 3


def test_in_another_text_a_reference_may_stand_for_another_part() -> None:
    fine = spliced_gzip("<c>", REFERENCE, PARTS.__getitem__)
    coarse = spliced_gzip("<c>", REFERENCE, lambda _: "coarse")

    assert (gzip.decompress(fine).decode(), gzip.decompress(coarse).decode()) == (PARTS["c"], "coarse")
