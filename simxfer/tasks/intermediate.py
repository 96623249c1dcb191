"""The grammar of intermediates: `none`, a task, a sequence `a>b`, a mixture `a+b`, languages `a@sw,ur`, `a@xtreme`."""

from dataclasses import dataclass

from simxfer.common.errors import InputError, unknown
from simxfer.schema.tables import is_language
from simxfer.tasks import TASKS

NONE = "none"

_XTREME = (
    "af ar bg bn de el en es et eu fa fi fr he hi hu id it ja jv ka kk ko ml mr ms my nl pt ru sw ta te th tl tr ur vi "
    "yo zh"
)
LANGUAGE_GROUPS: dict[str, tuple[str, ...]] = {
    "xtreme": tuple(_XTREME.split()),
    "xtreme-r": tuple(
        sorted([*_XTREME.split(), *["az", "gu", "ht", "lt", "pa", "pl", "qu", "ro", "uk", "wo"]])
    ),
}
"""Names that stand for many languages: the 40 of XTREME (Hu et al. 2020), the 50 of XTREME-R (Ruder et al. 2021)."""
_GROUP_OF = {languages: name for name, languages in LANGUAGE_GROUPS.items()}


@dataclass(frozen=True, order=True)
class TaskData:
    """A task and the languages of its training data; no language means the task's pivot."""

    task: str
    languages: tuple[str, ...] = ()

    @property
    def read_in(self) -> tuple[str, ...]:
        """The languages of the training data: those that are named, or the task's pivot."""
        return self.languages or TASKS[self.task].train_languages[:1]

    def __str__(self) -> str:
        """Return the canonical spelling."""
        named = _GROUP_OF.get(self.languages, ",".join(self.languages))
        return f"{self.task}@{named}" if self.languages else self.task


def parse_intermediate(text: str) -> tuple[tuple[TaskData, ...], ...]:
    """Return the phases of an intermediate, each a mixture of one task or more; `none` has no phase.

    Raises:
        InputError: an empty part, an unknown task or language, a task twice in a mixture.
    """
    if text.strip() == NONE:
        return ()
    return tuple(_mixture(part, text) for part in text.split(">"))


def canonical(text: str) -> str:
    """Return the one spelling of an intermediate: no blanks, mixtures and languages sorted."""
    return ">".join("+".join(str(data) for data in phase) for phase in parse_intermediate(text)) or NONE


def tasks_of(text: str) -> tuple[str, ...]:
    """Return the tasks of an intermediate, each once, in order of first use."""
    return tuple(dict.fromkeys(data.task for phase in parse_intermediate(text) for data in phase))


def shares_data(intermediate: str, target: str) -> bool:
    """Tell whether any task of the intermediate shares training data with the target (a `same_data` pair)."""
    used = {name for task in tasks_of(intermediate) for name in TASKS[task].training_data}
    return bool(used & set(TASKS[target].training_data))


def shares_kind(intermediate: str, target: str) -> bool:
    """Tell whether any task of the intermediate has the target's kind (a `same_kind` pair)."""
    return TASKS[target].kind in {TASKS[task].kind for task in tasks_of(intermediate)}


def _mixture(part: str, text: str) -> tuple[TaskData, ...]:
    if not part.strip():
        raise InputError(
            f"intermediate {text!r} has an empty part; write tasks joined by '>' or '+', or 'none'"
        )
    phase = tuple(sorted(_task_data(item, text) for item in part.split("+")))
    names = [data.task for data in phase]
    if len(set(names)) < len(names):
        raise InputError(f"intermediate {text!r} mixes a task with itself; name each task once in a mixture")
    return phase


def _task_data(item: str, text: str) -> TaskData:
    name, at, languages = (piece.strip() for piece in item.partition("@"))
    if not name:
        raise InputError(
            f"intermediate {text!r} has an empty part; write tasks joined by '>' or '+', or 'none'"
        )
    if name not in TASKS:
        raise InputError(f"intermediate {text!r}: " + unknown("task", name, TASKS))
    codes = tuple(sorted(code.strip() for code in languages.split(","))) if at else ()
    codes = LANGUAGE_GROUPS.get(languages, codes)
    known = TASKS[name].train_languages
    for code in codes:
        if not is_language(code) or code not in known:
            raise InputError(
                f"intermediate {text!r}: " + unknown(f"training language of {name}", code, known)
            )
    if len(set(codes)) < len(codes):
        raise InputError(f"intermediate {text!r} names a language twice")
    return TaskData(name, () if codes == known[:1] else codes)
