"""What is wrong with a YAML file: all faults together, each with its line and the remedy."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from simxfer.common.errors import unknown

Location = tuple[str | int, ...]

_TAGS = {("languages", "name"), ("languages", "list")}


def positions(node: yaml.Node, at: Location, lines: dict[Location, int]) -> list[tuple[int, str]]:
    """Note the line of every value; return the keys that are given twice."""
    lines[at] = node.start_mark.line + 1
    faults = []
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            if key.value in seen:
                faults.append((key.start_mark.line + 1, f"key {key.value!r} given twice; keep one"))
            seen.add(key.value)
            faults += positions(value, (*at, key.value), lines)
            lines[(*at, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            faults += positions(item, (*at, i), lines)
    return faults


def causes(error: ValidationError) -> list[Any]:
    """Return pydantic's errors without those that only follow: a list is "too short" once its items are refused."""
    errors = error.errors()

    def follows(item: Any) -> bool:
        deeper = (other["loc"] for other in errors if len(other["loc"]) > len(item["loc"]))
        return item["type"] == "too_short" and any(loc[: len(item["loc"])] == item["loc"] for loc in deeper)

    return [item for item in errors if not follows(item)]


def fault(
    error: dict[str, Any], lines: Mapping[Location, int], keys_at: Callable[[Location], Iterable[str]]
) -> tuple[int, str]:
    """Turn one of pydantic's errors into (line, message with the remedy).

    Args:
        error: as pydantic gives it.
        lines: line of every place in the file.
        keys_at: the keys that may stand at a place.
    """
    place: Location = error["loc"]
    at = place
    while at not in lines:
        at = at[:-1]
    name = ".".join(str(part) for part in _without_tags(place)) or "grid"
    if error["type"] == "extra_forbidden":
        return lines[at], unknown("key", str(place[-1]), keys_at(place[:-1]))
    if error["type"] == "missing":
        return lines[at], f"key {name!r} is missing"
    message = error["msg"].removeprefix("Value error, ")
    got = "" if error["type"] == "value_error" else f" (got {error['input']!r})"
    return lines[at], f"{name}: {message}{got}"


def _without_tags(place: Location) -> Location:
    """Leave out pydantic's names for the forms that a value may have."""
    before = (None, *place)
    return tuple(part for last, part in zip(before, place, strict=False) if (last, part) not in _TAGS)
