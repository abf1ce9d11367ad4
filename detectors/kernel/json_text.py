"""JSON (RFC 8259) from bytes: where strings, numbers and whole values end.

A NUL byte stands after each record: it fits nowhere in JSON, so no loop here runs past it. Every
function gives ODD for what is wrong, or merely unusual; `andon.events` has the last word then.
"""

from __future__ import annotations

import numpy as np

from detectors.kernel import compiled

ODD = -1
DEPTH_MAX = 60
DIGITS_MAX = 4000  # of an integer; Python reads 4300

QUOTE, BACKSLASH, COLON, COMMA = (ord(mark) for mark in '"\\:,')
OPEN_OBJECT, CLOSE_OBJECT, OPEN_LIST, CLOSE_LIST = (ord(mark) for mark in "{}[]")
_MINUS, _PLUS, _DOT, _ZERO, _U = (ord(mark) for mark in "-+.0u")

_PLAIN = np.array([0x20 <= byte < 0x80 and chr(byte) not in '"\\' for byte in range(256)])
_SPACE = np.array([chr(byte) in " \t\n\r" for byte in range(256)])
_DIGIT = np.array([chr(byte) in "0123456789" for byte in range(256)])
_HEX = np.array([chr(byte) in "0123456789abcdefABCDEF" for byte in range(256)])
_ESCAPE = np.array([chr(byte) in '"\\/bfnrt' for byte in range(256)])
_EXPONENT = np.array([chr(byte) in "eE" for byte in range(256)])
_WORDS = np.array([list(b"true\0"), list(b"false"), list(b"null\0")], np.uint8)
TRUE, FALSE, NULL = range(3)

NO_ESCAPE, ESCAPED, HALF = range(3)
"""Escapes in a string; HALF is one of a surrogate, of which a text may hold pairs only."""


@compiled
def space(text, at):
    """The next place that is no white space."""
    while _SPACE[text[at]]:
        at += 1
    return at


@compiled
def string(text, at):
    """The closing quote of the string that begins at `at`, its characters, and its escapes."""
    end = np.uint64(at)
    while _PLAIN[text[end]]:
        end += np.uint64(1)
    characters = np.int64(end) - at
    if text[end] == QUOTE:
        return at + characters, characters, NO_ESCAPE
    return rest_of_string(text, at + characters, characters)


@compiled
def rest_of_string(text, at, characters):
    escapes = NO_ESCAPE
    while text[at] != QUOTE:
        if _PLAIN[text[at]]:
            step = 1
        elif text[at] == BACKSLASH:
            step, kind = escape(text, at)
            escapes = max(escapes, kind)
        else:
            step = sequence(text, at)
        if step == 0:
            return ODD, 0, NO_ESCAPE
        at += step
        characters += 1
    return at, characters, escapes


@compiled
def escape(text, at):
    """How many bytes an escape has, 0 if it is none, and its kind."""
    if _ESCAPE[text[at + 1]]:
        return 2, ESCAPED
    if text[at + 1] != _U:
        return 0, ESCAPED
    for place in range(at + 2, at + 6):
        if not _HEX[text[place]]:
            return 0, ESCAPED
    surrogate = text[at + 2] | 0x20 == ord("d") and text[at + 3] > ord("7")
    return 6, HALF if surrogate else ESCAPED


@compiled
def sequence(text, at):
    """How many bytes a character beyond ASCII has, 0 if it is no UTF-8 (RFC 3629, section 4)."""
    first, second = text[at], text[at + 1]
    length = 2 * (0xC2 <= first <= 0xDF) + 3 * (0xE0 <= first <= 0xEF) + 4 * (0xF0 <= first <= 0xF4)
    for place in range(at + 1, at + length):
        if text[place] & 0xC0 != 0x80:
            return 0
    overlong = (first == 0xE0 and second < 0xA0) or (first == 0xF0 and second < 0x90)
    beyond = (first == 0xED and second > 0x9F) or (first == 0xF4 and second > 0x8F)
    return 0 if overlong or beyond else length


@compiled
def digits(text, at):
    """Past one digit or more."""
    start = at
    while _DIGIT[text[at]]:
        at += 1
    return ODD if at == start else at


@compiled
def integer(text, at):
    """Past a number's part before the dot."""
    if text[at] == _MINUS:
        at += 1
    end = digits(text, at)
    leading_zero = text[at] == _ZERO and end > at + 1
    return ODD if leading_zero or end > at + DIGITS_MAX else end


@compiled
def number(text, at):
    """Past a number."""
    end = integer(text, at)
    if end != ODD and text[end] == _DOT:
        end = digits(text, end + 1)
    if end != ODD and _EXPONENT[text[end]]:
        signed = text[end + 1] == _PLUS or text[end + 1] == _MINUS
        end = digits(text, end + 1 + signed)
    return end


@compiled
def literal(text, at, which):
    """Past one of `true`, `false` and `null`."""
    for letter in _WORDS[which]:
        if letter == 0:
            break
        if text[at] != letter:
            return ODD
        at += 1
    return at


@compiled
def scalar(text, at):
    """Past a value that holds no others."""
    if text[at] == QUOTE:
        end, _, _ = string(text, at + 1)
        return ODD if end == ODD else end + 1
    for which in (TRUE, FALSE, NULL):
        if text[at] == _WORDS[which, 0]:
            return literal(text, at, which)
    return number(text, at)


@compiled
def colon(text, at):
    """Past the colon that has to follow."""
    at = space(text, at)
    return at + 1 if text[at] == COLON else ODD


@compiled
def name(text, at):
    """Past the name of a member, and its colon."""
    if text[at] != QUOTE:
        return ODD
    end, _, _ = string(text, at + 1)
    return ODD if end == ODD else colon(text, end + 1)


@compiled
def value(text, at):
    """Past any value, at most DEPTH_MAX deep."""
    depth, objects = 0, np.uint64(0)  # a bit for each level: is it an object?
    while True:
        at = space(text, at)
        is_object, is_list = text[at] == OPEN_OBJECT, text[at] == OPEN_LIST
        if is_object or is_list:
            if depth == DEPTH_MAX:
                return ODD
            depth, objects = depth + 1, (objects << np.uint64(1)) | np.uint64(is_object)
            at = space(text, at + 1)
            empty = text[at] == (CLOSE_OBJECT if is_object else CLOSE_LIST)
            if not empty:
                at = name(text, at) if is_object else at
                if at == ODD:
                    return ODD
                continue
        else:
            at = scalar(text, at)
            if at == ODD:
                return ODD
        while depth > 0:
            at = space(text, at)
            in_object = objects & np.uint64(1) == 1
            if text[at] == COMMA:
                break
            if text[at] != (CLOSE_OBJECT if in_object else CLOSE_LIST):
                return ODD
            depth, objects, at = depth - 1, objects >> np.uint64(1), at + 1
        if depth == 0:
            return at
        at = space(text, at + 1)
        at = name(text, at) if in_object else at
        if at == ODD:
            return ODD
