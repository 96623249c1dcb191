"""Names in a grid file, checked one by one, so that each fault is reported with its own line."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag

from simxfer.common.errors import unknown
from simxfer.encoder.pretrained import resolve_encoder
from simxfer.schema.tables import is_language
from simxfer.sources.perturb import parse
from simxfer.tasks import TASKS, get_task
from simxfer.tasks.intermediate import LANGUAGE_GROUPS, canonical, tasks_of
from simxfer.training.methods import METHODS, canonical_method

Study = Literal[
    "adapter-similarity",
    "diverse-intermediates",
    "similarity-degradation",
    "domain-adversarial",
    "task-order",
]
"""The studies that a grid may be made for; `analyses.questions` has the question of each."""

ALL = "all"
"""Stands for every language of each target."""


def _intermediate(text: str) -> str:
    name = canonical(text)
    for task in tasks_of(name):
        if "intermediate" not in TASKS[task].roles:
            known = [t.name for t in TASKS.values() if "intermediate" in t.roles]
            raise ValueError(f"task {task!r} is a target only; intermediates: {', '.join(known)}")
    return name


def _target(name: str) -> str:
    if "target" not in get_task(name).roles:
        known = [task.name for task in TASKS.values() if "target" in task.roles]
        raise ValueError(f"task {name!r} is an intermediate only; targets: {', '.join(known)}")
    return name


def _language(code: str) -> str:
    known = {code for task in TASKS.values() for code in task.languages}
    if not is_language(code) or code not in known:
        raise ValueError(unknown("language", code, known))
    return code


def _method(name: str) -> str:
    return canonical_method(name)


def _method_name(name: str) -> str:
    if name not in METHODS:
        raise ValueError(unknown("method", name, METHODS))
    return name


def _perturbation(text: str) -> str:
    how = parse(text)
    if how.mixed_in:
        _language(how.mixed_in)
    return str(how)


def _encoder(name: str) -> str:
    return resolve_encoder(name).name


def _task(name: str) -> str:
    return get_task(name).name


def _overridden(name: str) -> str:
    return name if name == "*" else _task(name)


Intermediate = Annotated[str, AfterValidator(_intermediate)]
Target = Annotated[str, AfterValidator(_target)]
Language = Annotated[str, AfterValidator(_language)]
Method = Annotated[str, AfterValidator(_method)]
MethodName = Annotated[str, AfterValidator(_method_name)]
PerturbationName = Annotated[str, AfterValidator(_perturbation)]
EncoderName = Annotated[str, AfterValidator(_encoder)]
TaskName = Annotated[str, AfterValidator(_task)]
Overridden = Annotated[str, AfterValidator(_overridden)]
Seed = Annotated[int, Field(ge=0)]


def _temperature(value: float | str) -> float | str:
    if value != "uniform" and (isinstance(value, str) or not 1 <= value < float("inf")):
        raise ValueError(f"got {value!r}, expected a number greater than or equal to 1, or uniform")
    return value


MixtureTemperature = Annotated[float | str, AfterValidator(_temperature)]


def _named_languages(name: str) -> str:
    if name not in (ALL, *LANGUAGE_GROUPS):
        known = ", ".join((ALL, *LANGUAGE_GROUPS))
        raise ValueError(f"got {name!r}, expected a list of languages such as [en, sw], or one of {known}")
    return name


Languages = Annotated[
    Annotated[str, AfterValidator(_named_languages), Tag("name")]
    | Annotated[tuple[Language, ...], Tag("list")],
    Discriminator(lambda value: "name" if isinstance(value, str) else "list"),
]
