"""Texts, eight bytes at a time. Behind what is read there are ROOM bytes more."""

from __future__ import annotations

import numpy as np

from detectors.kernel import compiled

ROOM = 16
_ONE = np.uint64(1)


@compiled
def word(text, at):
    """Eight bytes as one number, the first the least.

    The compiler makes one load of it, as places without a sign cannot count from the end.
    """
    start = np.uint64(at)
    total = np.uint64(text[start])
    for place in range(1, 8):
        total |= np.uint64(text[start + np.uint64(place)]) << np.uint64(8 * place)
    return total


@compiled
def first_of(number, count):
    """The first bytes of a word, fewer than eight."""
    return number & ((_ONE << np.uint64(8 * count)) - _ONE)


@compiled
def are_same(text, at, other, other_at, length):
    """Are so many bytes of two texts the same?"""
    while length >= 8:
        if word(text, at) != word(other, other_at):
            return False
        at, other_at, length = at + 8, other_at + 8, length - 8
    return first_of(word(text, at) ^ word(other, other_at), length) == 0


@compiled
def append(text, start, length, words, end):
    """Copy a piece of a text to the words from `end` on; past the last."""
    for place in range(0, length, 8):
        words[end] = word(text, start + place)
        end += 1
    return end
