"""How a row of the hub and the example that it is are written down in tests."""

from dataclasses import dataclass, field
from typing import Any

from datasets import Features

from simxfer.tasks.examples import AnyExample, ClassificationExample, SpanExample


@dataclass(frozen=True)
class HubCase:
    """One split of a task in one language, as it stands on the hub."""

    task: str
    split: str
    folders: dict[str, list[dict[str, Any]]]
    """`CONFIG/SPLIT` -> rows."""
    features: Features
    expected: list[AnyExample]
    language: str = "en"
    left_out: int = 0
    """Rows without gold."""
    unasked: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Folders that stand beside and must not be read."""


def nli(premise: str, hypothesis: str, label: int, **more: Any) -> dict[str, Any]:
    return {"premise": premise, "hypothesis": hypothesis, "label": label, **more}


def pair(id: str, text: str, text_pair: str, label: str) -> ClassificationExample:
    return ClassificationExample(id=id, text=text, text_pair=text_pair, label=label)


def qa(id: str, context: str, question: str, text: str | None, start: int = 0) -> dict[str, Any]:
    answers = {"text": [], "answer_start": []} if text is None else {"text": [text], "answer_start": [start]}
    return {"id": id, "title": "T", "context": context, "question": question, "answers": answers}


def untitled(*arguments: Any) -> dict[str, Any]:
    return {key: value for key, value in qa(*arguments).items() if key != "title"}


def span(id: str, context: str, question: str, *answers: tuple[int, str], subsets=()) -> SpanExample:
    return SpanExample(id=id, context=context, question=question, answers=answers, subsets=subsets)
