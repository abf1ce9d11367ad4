"""Where the fields of a plain event stand in its JSON object, and what numbers they hold."""

from __future__ import annotations

import numpy as np

from detectors.fields import DECIMAL, FIELDS, OBJECT, TEXT, WHOLE
from detectors.kernel import compiled
from detectors.kernel.json_text import (
    CLOSE_OBJECT,
    COMMA,
    HALF,
    NO_ESCAPE,
    NULL,
    ODD,
    OPEN_OBJECT,
    QUOTE,
    colon,
    integer,
    literal,
    number,
    space,
    string,
    value,
)
from detectors.kernel.words import word
from detectors.state import NONE

NAME_ROOM = 16
ORDER_ROOM = 32

_KIND = np.array([field.kind for field in FIELDS])
_LEAST = np.array([field.least for field in FIELDS])
_MOST = np.array([field.most for field in FIELDS])
_NULLABLE = np.array([field.nullable for field in FIELDS])
_KEPT = np.array([field.kept for field in FIELDS])
_LENGTH = np.array([len(field.name) for field in FIELDS])
_QUOTED = [field.name.encode() + b'"' for field in FIELDS]
_NAME, _NAME_MASK = (  # two words a field
    np.array([list(text.ljust(NAME_ROOM, b"\0")) for text in texts], np.uint8).view(np.uint64)
    for texts in (_QUOTED, [b"\xff" * len(text) for text in _QUOTED])
)
_CHOICES = [field.choices for field in FIELDS]
_CHOICE = np.zeros((len(FIELDS), max(map(len, _CHOICES)), NAME_ROOM), np.uint8)
for _place, _words in enumerate(_CHOICES):
    for _number, _word in enumerate(_words):
        _CHOICE[_place, _number, : len(_word)] = list(_word.encode())
_CURRENCY = [field.name for field in FIELDS].index("currency")
_ONE = np.uint64(1)
_REQUIRED = np.uint64(sum(field.required << place for place, field in enumerate(FIELDS)))

_DOT, _ZERO, _NULL_STARTS = (ord(mark) for mark in ".0n")
_DIGIT = np.array([chr(byte) in "0123456789" for byte in range(256)])
_LETTER = np.array([byte < 0x80 and chr(byte).isalpha() for byte in range(256)])
_DIGITS_MAX = 15  # so many are exact as a double, and so is a power of ten up to the 22nd
_TENS = np.array([10.0**power for power in range(_DIGITS_MAX + 1)])


@compiled
def read_object(text, at, order, spans):
    """Write where each field stands, NONE where it is missing or null; past the object, or ODD.

    `order` remembers which field stood at which place last time: mostly it is the same again.
    """
    spans[:, 0] = NONE
    seen, place = np.uint64(0), 0
    at = space(text, at)
    if text[at] != OPEN_OBJECT:
        return ODD
    while True:
        field, at = read_name(text, space(text, at + 1), order, place)
        if at == ODD:
            return ODD
        if field == NONE:
            at = value(text, at)
        else:
            again, seen = seen >> np.uint64(field) & _ONE, seen | _ONE << np.uint64(field)
            at = ODD if again else read_value(text, space(text, at), field, spans)
        if at == ODD:
            return ODD
        at, place = space(text, at), (place + 1) & (ORDER_ROOM - 1)
        if text[at] != COMMA:
            break
    complete = text[at] == CLOSE_OBJECT and seen & _REQUIRED == _REQUIRED
    return space(text, at + 1) if complete else ODD


@compiled
def read_name(text, at, order, place):
    """The field that is named, NONE for one that is not known, and past its colon."""
    if text[at] != QUOTE:
        return NONE, ODD
    at, field = at + 1, order[place]
    if is_name(text, at, field):
        return field, colon(text, at + _LENGTH[field] + 1)
    end, _, escapes = string(text, at)
    if end == ODD or escapes != NO_ESCAPE:
        return NONE, ODD
    for field in range(len(_LENGTH)):
        if is_name(text, at, field):
            order[place] = field
            return field, colon(text, end + 1)
    return NONE, colon(text, end + 1)


@compiled
def is_name(text, at, field):
    """Do the name of a field and a quote stand here?"""
    start, end = word(text, at) & _NAME_MASK[field, 0], word(text, at + 8) & _NAME_MASK[field, 1]
    return start == _NAME[field, 0] and end == _NAME[field, 1]


@compiled
def read_value(text, at, field, spans):
    """Note where the value of a field stands; past it, or ODD."""
    kind = _KIND[field]
    if _NULLABLE[field] and text[at] == _NULL_STARTS:
        return literal(text, at, NULL)
    if kind == OBJECT:
        return value(text, at) if text[at] == OPEN_OBJECT else ODD
    if kind in (WHOLE, DECIMAL):
        end = integer(text, at) if kind == WHOLE else number(text, at)
        spans[field, 0], spans[field, 1] = at, end
        return end
    if kind != TEXT or text[at] != QUOTE:
        return ODD
    end, characters, escapes = string(text, at + 1)
    strange = escapes != NO_ESCAPE if _KEPT[field] else escapes == HALF
    if end == ODD or strange or not _LEAST[field] <= characters <= _MOST[field]:
        return ODD
    spans[field, 0], spans[field, 1] = at + 1, end
    return end + 1


@compiled
def decimal(text, start, end):
    """The number at text[start:end], exactly; ODD if it is not short, plain and positive."""
    total, count, behind = np.int64(0), 0, 0
    for at in range(start, end):
        if text[at] == _DOT:
            behind = end - 1 - at
        elif not _DIGIT[text[at]] or count == _DIGITS_MAX:
            return np.float64(ODD)
        else:
            total, count = total * 10 + (np.int64(text[at]) - _ZERO), count + 1
    return total / _TENS[behind]


@compiled
def is_valid(text, spans):
    """Do the fields with choices hold one of them, and the currency letters?"""
    for field in range(len(spans)):
        start, end = spans[field, 0], spans[field, 1]
        if start == NONE:
            continue
        if _CHOICE[field, 0, 0] and not is_choice(text, start, end, field):
            return False
        if field == _CURRENCY and not are_letters(text, start, end):
            return False
    return True


@compiled
def are_letters(text, start, end):
    for at in range(start, end):  # noqa: SIM110 (numba has no all)
        if not _LETTER[text[at]]:
            return False
    return True


@compiled
def is_choice(text, start, end, field):
    for choice in _CHOICE[field]:
        letter = 0
        while start + letter < end and choice[letter] == text[start + letter]:
            letter += 1
        if start + letter == end and choice[letter] == 0:
            return True
    return False
