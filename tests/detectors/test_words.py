"""Texts eight bytes at a time say what they say byte by byte."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detectors.kernel.words import ROOM, append, are_same, first_of, word
from detectors.recent import Texts

AROUND_WORDS = st.binary(max_size=20)


def _text(raw: bytes) -> np.ndarray:
    return np.frombuffer(raw + b"\xff" * ROOM, np.uint8)


@given(AROUND_WORDS, AROUND_WORDS, st.integers(0, 7))
def test_a_word_has_the_first_byte_as_its_least(before: bytes, behind: bytes, count: int) -> None:
    text = _text(before + behind)
    expected = bytes(text[len(before) : len(before) + 8])
    assert int(word(text, len(before))).to_bytes(8, "little") == expected
    first = int(first_of(np.uint64(word(text, len(before))), count))
    assert first.to_bytes(8, "little") == expected[:count].ljust(8, b"\0")


@given(AROUND_WORDS, AROUND_WORDS, st.data())
def test_one_other_byte_makes_another_text(before: bytes, same: bytes, data: st.DataObject) -> None:
    other = bytearray(same)
    if same:
        other[data.draw(st.integers(0, len(same) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    a, length = _text(before + same), len(same)
    assert are_same(a, len(before), _text(same), 0, length)
    assert are_same(a, len(before), _text(bytes(other)), 0, length) == (not same)


@given(st.lists(AROUND_WORDS.filter(lambda raw: raw.isascii()), max_size=6))
def test_pieces_that_were_copied_are_the_same_texts(pieces: list[bytes]) -> None:
    text = _text(b"".join(pieces))
    words, ends = np.empty(3 * len(pieces), np.uint64), [0]
    for start, piece in zip(accumulate(map(len, pieces), initial=0), pieces, strict=False):
        ends.append(append(text, start, len(piece), words, ends[-1]))
    starts, lengths = 8 * np.array(ends[:-1], np.int64), np.array([*map(len, pieces)], np.int64)
    texts = Texts(words[: ends[-1]].tobytes(), starts, lengths)
    assert list(texts) == [piece.decode() for piece in pieces]
    assert list(texts[1:]) == list(texts)[1:]
