# SPDX-License-Identifier: MIT
"""Histograms of latencies as scripts/load writes them: HdrHistogram's V2, compressed, in base64.

Only what is read here: merging the blocks of a configuration is exact, as every histogram has the same
buckets, where an average of their percentiles would be no percentile of anything.
"""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections import Counter
from functools import lru_cache
from typing import Iterable, Iterator, Mapping

COOKIE, COMPRESSED = 0x1C849303, 0x1C849304
WIDTH = 0xF0  # these bits of both say how wide a count is, which V2 leaves to each count
HEAD = struct.Struct(">iiiiqqd")  # cookie, bytes of counts, offset, digits, lowest, highest, ratio


@lru_cache(maxsize=1024)  # rows are made of the same samples again and again
def decode(text: str) -> Mapping[int, int]:
    """How often each value was seen, by the highest value of its bucket. ValueError where the text is
    no such histogram."""
    try:
        packed = base64.b64decode(text, validate=True)
        cookie, length = struct.unpack_from(">ii", packed)
        raw = zlib.decompress(packed[8 : 8 + length])
        inner, size, offset, digits, lowest, _highest, _ratio = HEAD.unpack_from(raw)
    except (binascii.Error, struct.error, zlib.error) as error:
        raise ValueError(f"no HDR V2 histogram: {error}") from None
    if (cookie & ~WIDTH, inner & ~WIDTH) != (COMPRESSED, COOKIE) or offset or lowest < 1:
        raise ValueError("no HDR V2 histogram: its cookies, or its offset, are others")
    half = 1 << ((2 * 10**digits - 1).bit_length() - 1)  # sub-buckets in the upper half of a bucket
    unit = lowest.bit_length() - 1
    found: dict[int, int] = {}
    index = 0
    for count in _numbers(raw[HEAD.size : HEAD.size + size]):
        if count < 0:  # so many that are empty
            index -= count
            continue
        if count:
            found[_highest_in(index, half, unit)] = count
        index += 1
    return found


def _highest_in(index: int, half: int, unit: int) -> int:
    """The highest value that is counted under this index."""
    bucket, sub = divmod(index, half)
    if bucket > 0:  # all but the first bucket have an upper half only
        bucket, sub = bucket - 1, sub + half
    return ((sub + 1) << (bucket + unit)) - 1


def _numbers(data: bytes) -> Iterator[int]:
    """ZigZag LEB128 of 64 bits: seven bits a byte, the lowest first, all eight of a ninth."""
    at = 0
    while at < len(data):
        value = shift = 0
        while True:
            if at >= len(data):
                raise ValueError("no HDR V2 histogram: it is cut off")
            byte = data[at]
            at += 1
            last = shift == 56
            value |= (byte if last else byte & 0x7F) << shift
            shift += 7
            if last or byte < 0x80:
                break
        yield (value >> 1) ^ -(value & 1)


def merged(texts: Iterable[str]) -> Counter[int]:
    """Of several histograms one: every sample of each."""
    found: Counter[int] = Counter()
    for text in texts:
        found.update(decode(text))
    return found
