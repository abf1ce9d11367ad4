"""RFC 3339 times from bytes, and microseconds since 1970."""

from __future__ import annotations

import numpy as np

from detectors.kernel import compiled
from detectors.state import LONG_AGO

UNREAD = LONG_AGO
"""Stands for a text that is not plain RFC 3339; `andon.events.parse_ts` has the last word."""

_YEAR_1, _YEAR_10000 = -62_135_596_800, 253_402_300_800
_DASH, _T, _COLON, _DOT, _PLUS, _Z = (ord(character) for character in "-T:.+Z")


@compiled
def number(text, start, end):
    """The digits of text[start:end], or -1."""
    number = 0
    for place in range(start, end):
        digit = np.int64(text[place]) - 48
        if digit < 0 or digit > 9:
            return -1
        number = number * 10 + digit
    return number


@compiled
def days_of(year, month, day):
    """Days since 1970-01-01 in the Gregorian calendar; -1e9 for a day that does not exist.

    Howard Hinnant, "chrono-compatible low-level date algorithms", days_from_civil.
    """
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 31 - (month in (4, 6, 9, 11)) - (month == 2) * (2 if leap else 3)
    if year < 1 or month < 1 or month > 12 or day < 1 or day > longest:
        return -1_000_000_000
    shifted = year - (month <= 2)
    era = shifted // 400
    of_era = shifted - era * 400
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@compiled
def read_time(text, start, end):
    """Unix microseconds of text[start:end], or UNREAD."""
    if end - start < 20:
        return UNREAD
    for place, mark in ((4, _DASH), (7, _DASH), (10, _T), (13, _COLON), (16, _COLON)):
        if text[start + place] != mark:
            return UNREAD
    days = days_of(
        number(text, start, start + 4),
        number(text, start + 5, start + 7),
        number(text, start + 8, start + 10),
    )
    hour = number(text, start + 11, start + 13)
    minute = number(text, start + 14, start + 16)
    second = number(text, start + 17, start + 19)
    if days == -1_000_000_000 or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return UNREAD
    place, micros, scale = start + 19, 0, 100_000
    if text[place] == _DOT:
        place += 1
        first = place
        while place < end and 48 <= text[place] <= 57:
            micros += (np.int64(text[place]) - 48) * scale
            scale //= 10
            place += 1
        if place == first:
            return UNREAD
    offset = 0
    if place + 1 == end and text[place] == _Z:
        pass
    elif place + 6 == end and text[place] in (_PLUS, _DASH) and text[place + 3] == _COLON:
        hours, minutes = number(text, place + 1, place + 3), number(text, place + 4, end)
        if not (0 <= hours < 24 and 0 <= minutes < 60):
            return UNREAD
        offset = (hours * 60 + minutes) * (1 if text[place] == _PLUS else -1)
    else:
        return UNREAD
    seconds = ((days * 24 + hour) * 60 + minute - offset) * 60 + second
    if seconds < _YEAR_1 or seconds >= _YEAR_10000:
        return UNREAD
    return seconds * 1_000_000 + micros
