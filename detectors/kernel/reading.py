"""Events from raw records: from JSON to what the windows need, without an object for each.

What is not plain is ODD and left to `andon.events`. Who acts and what is done repeats: it is
looked up by hash. Of what is new the caller learns first, and has the record read again. The
arrays are those of detectors.reading.
"""

from __future__ import annotations

import numpy as np

from andon.events import AHEAD_MAX_S
from detectors.fields import NUMBER_OF
from detectors.flags import HAS_RUN, REVERSES
from detectors.kernel import compiled
from detectors.kernel.clock import UNREAD, read_time
from detectors.kernel.hashing import absorb, find, finished, stirred
from detectors.kernel.json_text import ODD
from detectors.kernel.spans import decimal, is_valid, read_object
from detectors.kernel.words import append, are_same
from detectors.state import NONE

FINE, NEW_ACTOR, NEW_ACT = range(3)
"""What became of a record, if it is not ODD."""

VALUE_MAX = 1e290
"""What is larger counts as this much: no sum of it may become infinite."""

MICRO = 1_000_000
AHEAD_MAX_US = AHEAD_MAX_S * MICRO

_EVENT_ID, _TS, _WORKFLOW, _TARGET, _VALUE, _CURRENCY, _RECIPIENTS, _REVERSES, _RUN = (
    NUMBER_OF[name]
    for name in (
        *("event_id", "ts", "workflow", "target", "value", "currency"),
        *("recipients", "reverses", "run"),
    )
)
_ACTOR = np.array(
    [NUMBER_OF[name] for name in ("workflow", "automation", "capability", "mode", "andon_policy")]
)
_ACT = np.array([NUMBER_OF[name] for name in ("action", "outcome", "by", "currency")])
_MISSING = np.uint64(1 << 63)  # longer than any text


@compiled
def read(todo, source, known, plans, scratch, out):
    """Read the records at these places."""
    for i in todo:
        out.state[i] = read_record(i, source, known, plans, scratch, out)


@compiled
def read_record(i, source, known, plans, scratch, out):
    text, spans, start = source.text, scratch.spans, source.starts[i]
    if read_object(text, start, scratch.order, spans) != start + source.lengths[i]:
        return ODD
    time = read_time(text, spans[_TS, 0], spans[_TS, 1])
    if time == UNREAD or time - source.appended_us[i] > AHEAD_MAX_US:
        return ODD
    if source.key_lengths[i] != NONE and not is_keyed(source, i, spans):
        return ODD
    scratch.value[0], recipients = 0.0, 0
    if spans[_VALUE, 0] != NONE:
        scratch.value[0] = decimal(text, spans[_VALUE, 0], spans[_VALUE, 1])
        if scratch.value[0] < 0 or spans[_CURRENCY, 0] == NONE:
            return ODD
    if spans[_RECIPIENTS, 0] != NONE:
        recipients = np.int64(decimal(text, spans[_RECIPIENTS, 0], spans[_RECIPIENTS, 1]))
        if recipients < 0:
            return ODD
    state = place(i, text, time, recipients, known, plans, scratch, out)
    if state == FINE:
        keep_id(i, text, spans, out)
    return state


@compiled
def keep_id(i, text, spans, out):
    """Copy the event's id, while it is at hand."""
    start, length = spans[_EVENT_ID, 0], spans[_EVENT_ID, 1] - spans[_EVENT_ID, 0]
    out.id_start[i], out.id_length[i] = 8 * out.ids_end[0], length
    out.ids_end[0] = append(text, start, length, out.ids, out.ids_end[0])


@compiled
def is_keyed(source, i, spans):
    """Is the record's key its workflow?"""
    start, length = spans[_WORKFLOW, 0], source.key_lengths[i]
    if spans[_WORKFLOW, 1] - start != length:
        return False
    return are_same(source.text, start, source.keys, source.key_starts[i], length)


@compiled
def place(i, text, time, recipients, known, plans, scratch, out):
    """Fill an event's places in the columns, from its spans and numbers."""
    spans = scratch.spans
    total = np.uint64(0)
    for field in _ACTOR:
        total = absorbed(total, text, spans, field)
    key = finished(total)
    actor = known.actor_table[find(known.actor_table, known.actors, key)].number
    if actor == NONE:
        out.unknown[i] = key
        return NEW_ACTOR if is_valid(text, spans) else ODD
    policy, total = known.actors[actor].policy, np.uint64(known.actors[actor].role)
    out.policy[i], out.kind[i] = policy, known.actors[actor].kind
    out.workflow[i] = known.actors[actor].workflow
    for field in _ACT:
        total = absorbed(total, text, spans, field)
    if policy != NONE and plans.by_target[policy]:
        total = absorbed(total, text, spans, _TARGET)
    key = finished(total)
    act = known.act_table[find(known.act_table, known.acts, key)].number
    if act == NONE:
        out.unknown[i] = key
        return NEW_ACT if is_valid(text, spans) else ODD
    flags = known.acts[act].flags
    if spans[_REVERSES, 0] != NONE:
        flags |= np.uint32(REVERSES)
        out.batch[i].reverses = finished(absorbed(np.uint64(0), text, spans, _REVERSES))
    if spans[_RUN, 0] != NONE:
        flags |= np.uint32(HAS_RUN)
    out.batch[i].time, out.batch[i].flags = time, flags
    out.batch[i].key = finished(absorbed(np.uint64(0), text, spans, _EVENT_ID))
    out.batch[i].value, out.batch[i].recipients = millionths(scratch.value[0]), recipients
    out.batch[i].stream = known.actors[actor].stream
    out.batch[i].currency = known.acts[act].currency if spans[_VALUE, 0] != NONE else 0
    if policy != NONE:
        for column in range(out.groups.shape[0]):
            fields = plans.groups[policy, column]
            out.groups[column, i] = group_hash(text, recipients, fields, scratch)
    return FINE


@compiled
def absorbed(total, text, spans, field):
    """A hash with one field stirred in; what is missing differs from what is empty."""
    if spans[field, 0] == NONE:
        return stirred(total, _MISSING)
    return absorb(total, text, spans[field, 0], spans[field, 1])


@compiled
def group_hash(text, recipients, fields, scratch):
    """One number for the values that make a group; 5 and 5.0 are one value."""
    total = np.uint64(0)
    for field in fields:
        if field == NONE:
            break
        if field == _VALUE and scratch.spans[field, 0] != NONE:
            total = stirred(total, scratch.value_bits[0])
        elif field == _RECIPIENTS and scratch.spans[field, 0] != NONE:
            total = stirred(total, np.uint64(recipients))
        else:
            total = absorbed(total, text, scratch.spans, field)
    return finished(total)


@compiled
def millionths(value):
    """Money to add up: whole where all but rounding is whole, so that sums of cents are exact."""
    parts = min(value, VALUE_MAX) * MICRO
    whole_parts = np.rint(parts)
    return whole_parts if abs(parts - whole_parts) <= parts * 1e-15 else parts
