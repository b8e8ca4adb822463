"""Gzip for a text in which long parts come again and again: each part is compressed once, and spliced in as it is.

A gzip stream is a row of deflate blocks. Blocks that refer to nothing before them, and end with a byte (zlib's full
flush), can be put one after the other in any order; the checksum at the end is of the whole text.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable

from eo_pygeoapi.store.outlines import Kept

_LEVEL = 5
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LAST_BLOCK = b"\x03\x00"
_LARGEST_BLOCKS = 32 * 1024 * 1024  # bytes of compressed parts that are kept
_kept = Kept[bytes](_LARGEST_BLOCKS)


def spliced_gzip(text: str, reference: re.Pattern[str], part: Callable[[str], str]) -> bytes:
    """Compress `text` with each `reference` replaced: `part` returns what stands for the one group of a match.

    Within a text the same group stands for the same part; in another text it may stand for another, such as a coarser
    outline.
    """
    blocks, checksum, size = [_HEADER], 0, 0
    known: dict[str, tuple[bytes, bytes]] = {}
    for number, piece in enumerate(reference.split(text)):
        is_key = number % 2 == 1  # the group of a reference stands between the texts before and after it
        if is_key and piece not in known:
            content = part(piece).encode()
            key = hashlib.blake2b(content, digest_size=20).hexdigest()
            if (block := _kept.get(key)) is None:
                block = _block(content)
                _kept.put(key, block, len(block))
            known[piece] = content, block
        content, block = known[piece] if is_key else (piece.encode(), _block(piece.encode()))
        blocks.append(block)
        checksum, size = zlib.crc32(content, checksum), size + len(content)
    trailer = struct.pack("<II", checksum, size & 0xFFFFFFFF)
    return b"".join([*blocks, _LAST_BLOCK, trailer])


def _block(content: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(content) + packer.flush(zlib.Z_FULL_FLUSH)
