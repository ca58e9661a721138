#!/usr/bin/env python3
"""Generates positions.json: published test vectors for fader's hashing.

This is an independent implementation, in Python over the `xxhash` package (the
reference C code), of the promise that users keep their place for ever:

    seed(salt, n)     = XXH3_64(utf8(salt), seed = n)
    position(unit)    = XXH3_64(utf8(unit), seed = seed(salt, 0))
    place(unit)       = XXH3_64(utf8(unit), seed = seed(salt, 1))
    threshold(micros) = floor(micros * 2^64 / 100_000_000)
    enrolled          = micros == 100_000_000 or position < threshold

How to run it (Python 3.11 or later; some seconds, for ten million hashes):

    pip install xxhash
    python3 positions.py            # writes positions.json beside this file
    python3 positions.py --check    # exits 1 if positions.json would change

The output depends on nothing but this file. What it holds:

  vectors     salt x unit, with `position` and `place`
  thresholds  percent, its micros, and the threshold (of 100 %: 2^64)
  boundaries  for twelve percents, among the units user-0 to user-9999999: the
              last one inside (the largest position below the threshold) and the
              first one outside (the smallest position at or above it)

Numbers that may exceed 2^53 (positions, places, thresholds) are decimal strings,
and text is escaped to ASCII, so that no editor and no JSON reader can change it.
"""

import bisect
import json
import sys
from fractions import Fraction
from pathlib import Path

import xxhash

OUTPUT = Path(__file__).with_name("positions.json")

BOUNDARY_SALT = "new-checkout"
BOUNDARY_UNITS = 10_000_000
BOUNDARY_PERCENTS = [
    "0.01", "0.1", "1", "2.5", "5", "10", "25", "33.333333", "50", "75", "90", "99.9",
]

THRESHOLD_PERCENTS = [
    "0", "0.000001", "0.000002", "0.00001", "0.0001", "0.001", "0.01", "0.1", "0.5",
    "1", "1.5625", "2.5", "3.14159", "5", "10", "12.5", "20", "25", "33.333333",
    "33.333334", "50", "50.000001", "66.666667", "75", "90", "99", "99.9", "99.99",
    "99.999", "99.999999", "100",
]

SALTS = [
    "new-checkout",
    "search-ranker",
    "dark-mode",
    "",
    "a",
    "team/payments:checkout.v2",
    "gr\u00f6\u00dfe",                        # Latin letters beyond ASCII
    "\u65b0\u3057\u3044\u6c7a\u6e08",           # Japanese
    "\U0001f6a9",                              # a flag, four bytes in UTF-8
    "salt with spaces and \"quotes\"",
    "long-" * 60,                              # 300 bytes
]


def ascii_of(size):
    """A readable unit of exactly `size` bytes whose every stretch differs."""
    text, n = "", 0
    while len(text) < size:
        text += f"u{n}-"
        n += 1
    return text[:size]


UNITS = (
    [
        "user-42", "user-43", "User-42", " user-42", "user-42 ",
        "alice@example.com", "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        # integers as digits; `01` is not `1`
        "0", "1", "01", "-1", "42", "900000001", "9007199254740993",
        "9223372036854775807", "-9223372036854775808",
        # non-ASCII; the two spellings of an e with an acute accent are two units
        "caf\u00e9", "cafe\u0301", "\u00df", "\u03a3", "\u7528\u6237-42", "\U0001f600",
        "\u0417\u0434\u0440\u0430\u0432\u0441\u0442\u0432\u0443\u0439",
        # characters that a JSON text escapes
        "\u0000", "a\nb\tc", "\\\"", "\u2028", "\ufeffuser",
        # 1,000 bytes of four-byte characters
        "\U0001f6d2" * 250,
    ]
    # around each border between XXH3's branches
    + [
        ascii_of(size)
        for size in (
            0, 1, 2, 3, 4, 8, 9, 16, 17, 32, 33, 64, 65, 96, 97, 128, 129, 144, 240, 241,
            255, 256, 257, 1000, 1024, 1025,
        )
    ]
)


def seeds(salt):
    data = salt.encode("utf-8")
    return xxhash.xxh3_64_intdigest(data, 0), xxhash.xxh3_64_intdigest(data, 1)


def micros_of(percent):
    micros = Fraction(percent) * 1_000_000
    assert micros.denominator == 1 and 0 <= micros <= 100_000_000, percent
    return int(micros)


def threshold_of(micros):
    return micros * 2**64 // 100_000_000


def vectors():
    for salt in SALTS:
        enrolment, split = seeds(salt)
        for unit in UNITS:
            data = unit.encode("utf-8")
            yield {
                "salt": salt,
                "unit": unit,
                "position": str(xxhash.xxh3_64_intdigest(data, enrolment)),
                "place": str(xxhash.xxh3_64_intdigest(data, split)),
            }


def thresholds():
    for percent in THRESHOLD_PERCENTS:
        micros = micros_of(percent)
        yield {"percent": percent, "micros": micros, "threshold": str(threshold_of(micros))}


def boundaries():
    # The thresholds cut 0..2^64 into slices; of each slice the least and the greatest
    # position are kept, which are the neighbours of the cuts on its two sides.
    cuts = [threshold_of(micros_of(percent)) for percent in BOUNDARY_PERCENTS]
    assert cuts == sorted(set(cuts))
    least = [(2**64, None)] * (len(cuts) + 1)
    greatest = [(-1, None)] * (len(cuts) + 1)
    seed, _ = seeds(BOUNDARY_SALT)
    digest, find = xxhash.xxh3_64_intdigest, bisect.bisect_right
    for n in range(BOUNDARY_UNITS):
        position = digest(b"user-%d" % n, seed)
        # the number of cuts at or below the position: a cut equal to it is below it
        slice_ = find(cuts, position)
        if position < least[slice_][0]:
            least[slice_] = (position, n)
        if position > greatest[slice_][0]:
            greatest[slice_] = (position, n)
    for i, percent in enumerate(BOUNDARY_PERCENTS):
        inside, outside = greatest[i], least[i + 1]
        assert inside[0] < cuts[i] <= outside[0]
        yield {
            "percent": percent,
            "salt": BOUNDARY_SALT,
            "last_inside": {"unit": f"user-{inside[1]}", "position": str(inside[0])},
            "first_outside": {"unit": f"user-{outside[1]}", "position": str(outside[0])},
        }


def render():
    assert len(set(SALTS)) == len(SALTS) and len(set(UNITS)) == len(UNITS)
    tables = {
        "vectors": list(vectors()),
        "thresholds": list(thresholds()),
        "boundaries": list(boundaries()),
    }
    # one row a line, so that a change shows as a change of lines
    parts = []
    for name, rows in tables.items():
        lines = ",\n".join("    " + json.dumps(row, ensure_ascii=True) for row in rows)
        parts.append(f'  "{name}": [\n{lines}\n  ]')
    about = "Generated by positions.py, which says what these are. Any change is a breaking release."
    return '{\n  "about": ' + json.dumps(about) + ",\n" + ",\n".join(parts) + "\n}\n"


def main():
    text = render()
    if sys.argv[1:] == ["--check"]:
        sys.exit(0 if OUTPUT.read_text(encoding="ascii") == text else 1)
    OUTPUT.write_text(text, encoding="ascii", newline="\n")


if __name__ == "__main__":
    main()
