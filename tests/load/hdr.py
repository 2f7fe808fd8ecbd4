# SPDX-License-Identifier: MIT
"""HdrHistogram's encoding, read from its description: a second reading beside src/load/hdr.c, for tests that
must not take its word. Counts are by the number of their step."""

from __future__ import annotations

import base64
import struct
import zlib
from collections import Counter

HALF = 1024  # steps of half a bucket, with three digits


def decode(text: str) -> Counter[int]:
    packed = base64.b64decode(text, validate=True)
    cookie, length = struct.unpack(">II", packed[:8])
    assert (cookie & ~0xF0, length) == (0x1C849304, len(packed) - 8)
    plain = zlib.decompress(packed[8:])
    cookie, length, offset, digits, lowest, _, ratio = struct.unpack(">IIIIQQd", plain[:40])
    assert (cookie & ~0xF0, length, offset, digits, lowest, ratio) == (0x1C849303, len(plain) - 40, 0, 3, 1, 1.0)
    counts: Counter[int] = Counter()
    step, at = 0, 40
    while at < len(plain):
        number = shift = 0
        while True:
            byte = plain[at]
            at += 1
            number |= (byte if shift == 56 else byte & 0x7F) << shift
            shift += 7
            if byte < 0x80 or shift == 63:
                break
        count = number >> 1 ^ -(number & 1)
        if count > 0:
            counts[step] = count
        step += -count if count < 0 else 1
    return counts


def highest_ns(step: int) -> int:
    """The highest value that a step counts."""
    bucket = max(step // HALF - 1, 0)
    return (step - bucket * HALF + 1 << bucket) - 1


def percentile_ns(counts: Counter[int], per_10000: int) -> int:
    wanted = -(-counts.total() * per_10000 // 10000)
    for step in sorted(counts):
        wanted -= counts[step]
        if wanted <= 0:
            return highest_ns(step)
    return 0
