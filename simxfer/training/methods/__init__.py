"""The training methods: one file each; what is trained, how a batch is stepped, what a stage stores.

A method is written as its name with its parameters, `adapter(pfeiffer,r=16)`, `full(freeze=4)`; `a>b` is a in the
intermediate stages and b in the target stage, one alone is both. Every method is a subclass of
`simxfer.training.methods.method.Method` with its parameters as fields; its file loads torch only when it is used, so
that a grid is checked and planned without.
"""

import re
from dataclasses import fields
from functools import cache
from importlib import import_module
from typing import Any

from pydantic import TypeAdapter, ValidationError

from simxfer.common.errors import InputError, unknown

METHODS: dict[str, str] = {
    "full": "simxfer.training.methods.full:FullFineTuning",
    "adapter": "simxfer.training.methods.adapter:AdapterTuning",
    "lora": "simxfer.training.methods.lora:LowRankAdaptation",
    "robust": "simxfer.training.methods.robust:RobustTraining",
    "adversarial": "simxfer.training.methods.adversarial:AdversarialTraining",
    "smoothing": "simxfer.training.methods.smoothing:SmoothedTraining",
}

_CALL = re.compile(r"^\s*([a-z][a-z0-9-]*)\s*(?:\((.*)\))?\s*$")


@cache
def load_method(text: str) -> Any:
    """Return the method of one phase, `NAME` or `NAME(PARAMETERS)`; the first parameter needs no name.

    Raises:
        InputError: an unknown method or parameter, or a value that it cannot have.
    """
    call = _CALL.match(text)
    if not call:
        raise InputError(f"method {text!r} cannot be read; write it as full, or adapter(pfeiffer,r=16)")
    name, inside = call.groups()
    if name not in METHODS:
        raise InputError(unknown("method", name, METHODS))
    module, attribute = METHODS[name].split(":")
    kind = getattr(import_module(module), attribute)
    return _made(kind, name, _given(kind, name, inside or ""))


def name_of(text: str) -> str:
    """Return the name of a method of one phase, without its parameters."""
    return text.partition("(")[0].strip()


def phases_of(text: str) -> tuple[str, str]:
    """Return the methods of intermediate and target stages, each in its one spelling.

    Raises:
        InputError: as `load_method`; more than two phases, or two that do not go together.
    """
    parts = text.split(">")
    if len(parts) > 2:
        raise InputError(f"method {text!r} has {len(parts)} phases; expected one, or intermediate>target")
    first, last = load_method(parts[0]), load_method(parts[-1])
    written = spelled(first, name_of(parts[0])), spelled(last, name_of(parts[-1]))
    if (first.beside or last.beneath) and written[0] != written[1]:
        both = written[0] if first.beside else written[1]
        raise InputError(
            f"method {text!r}: what {both} trains stands beside the encoder in intermediate and target stages alike; "
            f"write {both} alone"
        )
    return written


def canonical_method(text: str) -> str:
    """Return the one spelling of a method: parameters in their order, those at their default left out."""
    return ">".join(dict.fromkeys(phases_of(text)))


def _given(kind: Any, name: str, inside: str) -> dict[str, str]:
    known = [field.name for field in fields(kind)] if hasattr(kind, "__dataclass_fields__") else []
    given: dict[str, str] = {}
    for i, part in enumerate(filter(None, (piece.strip() for piece in inside.split(",")))):
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals and key in known:
            value = "true"  # a switch, named alone
        elif not equals and i == 0 and known:
            key, value = known[0], key
        if key not in known:
            raise InputError(f"method {name}: " + unknown("parameter", key, known))
        if key in given:
            raise InputError(f"method {name} gives {key} twice")
        given[key] = value
    return given


def _made(kind: Any, name: str, given: dict[str, str]) -> Any:
    if not given:
        return kind()
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        raise InputError(f"method {name}: {'; '.join(map(_fault, error.errors()))}") from None


def _fault(error: Any) -> str:
    name = ".".join(map(str, error["loc"]))
    if error["type"] == "literal_error":
        return unknown(name, error["input"], re.findall(r"'([^']+)'", error["ctx"]["expected"]))
    where = f"{name} = {error['input']!r}: " if name else ""
    return where + error["msg"].removeprefix("Value error, ")


def spelled(method: Any, name: str) -> str:
    """Return the one spelling of a method of one phase."""
    shown = []
    for i, field in enumerate(fields(method) if hasattr(method, "__dataclass_fields__") else ()):
        value = getattr(method, field.name)
        if value != field.default or field.name in method.spelled:
            text = (
                str(value).lower()
                if isinstance(value, bool)
                else repr(value).removesuffix(".0")  # every digit: what is spelled is what is trained
                if isinstance(value, float)
                else value
            )
            shown.append(str(text) if isinstance(value, str) and i == 0 else f"{field.name}={text}")
    return f"{name}({','.join(shown)})" if shown else name
