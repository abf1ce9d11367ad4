"""Rules of a policy, and policies of a file, have names of their own.

The models say so too, but only once every rule is right for itself. So that people hear of all
mistakes at once a file's document is looked at before; what shares a name is told apart in it.
"""

from __future__ import annotations

from typing import Any

from andon.yaml_lines import Expanded, Misuse, Path_, shown

_SHOWN_MAX = 80  # so that the names made up here are not too long


def told_apart(document: dict[str, Any]) -> Expanded:
    """A policy file's document in which no two share a name, and which ones did."""
    misuses: list[Misuse] = []
    policies = _told_apart(document.get("policies"), ("policies",), misuses)
    if isinstance(policies, list):
        for place, policy in enumerate(policies):
            if isinstance(policy, dict) and "rules" in policy:
                at = ("policies", place, "rules")
                policies[place] = policy | {"rules": _told_apart(policy["rules"], at, misuses)}
    return (document | {"policies": policies} if misuses else document), misuses


def _told_apart(items: Any, at: Path_, misuses: list[Misuse]) -> Any:
    if not isinstance(items, list):
        return items
    apart, seen = list(items), set()
    for place, item in enumerate(items):
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str):
            continue
        if name in seen:
            text = f"{shown(name)} is the name of another one above; give each its own name"
            misuses.append(((*at, place, "name"), text))
            apart[place] = item | {"name": f"{name[:_SHOWN_MAX]} #{place}"}
        seen.add(name)
    return apart
