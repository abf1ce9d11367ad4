"""Hashes of texts; hash tables of record numbers, whose keys stand in the records."""

from __future__ import annotations

import numpy as np

from detectors.kernel import compiled
from detectors.kernel.words import first_of, word
from detectors.state import NONE

_MIX1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX2 = np.uint64(0x94D049BB133111EB)
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MURMUR = np.uint64(0xC6A4A7935BD1E995)
_TAG = np.uint64(0xFFFFFFFF)


@compiled
def absorb(total, text, start, end):
    """A hash with text[start:end] stirred in (the inner part of MurmurHash64A, Appleby 2008)."""
    total = (total ^ np.uint64(end - start)) * _MURMUR
    at = start
    while at + 8 <= end:
        total = stirred(total, word(text, at))
        at += 8
    return total if at == end else stirred(total, first_of(word(text, at), end - at))


@compiled
def stirred(total, number):
    number *= _MURMUR
    return (total ^ ((number ^ (number >> np.uint64(47))) * _MURMUR)) * _MURMUR


@compiled
def finished(total):
    total = (total ^ (total >> np.uint64(47))) * _MURMUR
    return total ^ (total >> np.uint64(47))


@compiled
def mixed(value, salt):
    """A 64-bit hash of a hash and a small number (splitmix64's finalizer, Steele et al. 2014)."""
    x = value ^ (np.uint64(salt + 1) * _GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * _MIX1
    x = (x ^ (x >> np.uint64(27))) * _MIX2
    return x ^ (x >> np.uint64(31))


@compiled
def home_of(table, key):
    """The place in `table` where a key, or its low half, stands if no other stands there."""
    return np.uint64(key) & np.uint64(table.size - 1)


@compiled
def after(table, place):
    return (place + np.uint64(1)) & np.uint64(table.size - 1)


@compiled
def find(table, records, key):
    """The place in `table` of the record with this key, or of the gap where it belongs.

    By linear probing; tags spare a look at most of the records that are not the one.
    """
    tag = np.uint32(key & _TAG)
    place = home_of(table, tag)
    while table[place].number != NONE:
        if table[place].tag == tag and records[table[place].number].key == key:
            break
        place = after(table, place)
    return place


@compiled
def enter(table, place, records, number):
    """Let the record be the one at this place."""
    table[place].number, table[place].tag = number, np.uint32(records[number].key & _TAG)


@compiled
def remove(table, records, number):
    """Take a record out and close the gap (Knuth, TAOCP 3, 6.4, algorithm R)."""
    mask = np.uint64(table.size - 1)
    gap = find(table, records, records[number].key)
    if table[gap].number != number:
        return  # a later record has taken its key over
    place = after(table, gap)
    while table[place].number != NONE:
        home = home_of(table, table[place].tag)
        if ((place - home) & mask) >= ((place - gap) & mask):
            table[gap].number, table[gap].tag = table[place].number, table[place].tag
            gap = place
        place = after(table, place)
    table[gap].number = NONE


@compiled
def rehash(old, table):
    """Put all that an old table holds into a larger one."""
    for known in range(old.size):
        if old[known].number == NONE:
            continue
        place = home_of(table, old[known].tag)
        while table[place].number != NONE:
            place = after(table, place)
        table[place].number, table[place].tag = old[known].number, old[known].tag


@compiled
def insert(table, records, start, end):
    """Let the records from `start` on, before `end`, be found by their keys."""
    for number in range(start, end):
        enter(table, find(table, records, records[number].key), records, number)
