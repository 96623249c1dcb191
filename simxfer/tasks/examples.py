"""What a task's data are made of: one frozen class an input form, the same for real and artificial data.

`subsets` names parts of a test set that are scored apart as well (`unseen`, `unseen+same-form`); most
examples have none. `id` is equal across languages where test sets are parallel.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What all examples have."""

    id: str
    subsets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassificationExample(Example):
    """One sentence or a pair of sentences, and a label."""

    text: str
    text_pair: str | None = None
    label: str

    @property
    def texts(self) -> tuple[str, ...]:
        """The input texts."""
        return (self.text,) if self.text_pair is None else (self.text, self.text_pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggingExample(Example):
    """A sentence cut into words, and one tag a word."""

    words: tuple[str, ...]
    tags: tuple[str, ...]

    @property
    def texts(self) -> tuple[str, ...]:
        """The input texts."""
        return (" ".join(self.words),)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanExample(Example):
    """A question about a context; `answers` holds (character offset in the context, text) of each gold answer."""

    question: str
    context: str
    answers: tuple[tuple[int, str], ...]
    title: str = field(default="", compare=False, repr=False)
    """The article that the context is a paragraph of, where the data say it."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The input texts."""
        return (self.question, self.context)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoiceExample(Example):
    """A context, the choices that could follow it, and the index of the right one."""

    context: str
    choices: tuple[str, ...]
    label: int
    question: str = field(default="", compare=False, repr=False)
    """The end of the context that asks, where all languages ask it in the same words; empty otherwise."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The input texts."""
        return (self.context, *self.choices)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrievalExample(Example):
    """A sentence and its translation into the pivot language."""

    text: str
    translation: str

    @property
    def texts(self) -> tuple[str, ...]:
        """The input text in the language of the example."""
        return (self.text,)


@dataclass(frozen=True, slots=True, kw_only=True)
class MiningExample(Example):
    """A sentence of one of two unaligned corpora; `matches` are the ids of a source sentence's translations."""

    text: str
    side: Literal["source", "target"]
    matches: tuple[str, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """The input texts."""
        return (self.text,)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankingExample(Example):
    """A query, or a candidate that may answer queries: a candidate is relevant if it shares a key with the query.

    Keys are the same in all languages: the question's id (LAReQA), the entity (Mewsli-X). Ids are not: candidates
    of all languages stand in one pool, so that theirs begin with their language.
    """

    text: str
    text_pair: str | None = None
    """What the text stands in: the paragraph of an answer, the document of a mention."""
    side: Literal["query", "candidate"]
    keys: tuple[str, ...]
    title: str = field(default="", compare=False, repr=False)
    """The article that the text is of, where the data say it."""

    @property
    def texts(self) -> tuple[str, ...]:
        """The input texts."""
        return (self.text,) if self.text_pair is None else (self.text, self.text_pair)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextExample(Example):
    """Plain text for masked language modelling: one sentence or two."""

    text: str
    text_pair: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """The input texts."""
        return (self.text,) if self.text_pair is None else (self.text, self.text_pair)


AnyExample = (
    ClassificationExample
    | TaggingExample
    | SpanExample
    | ChoiceExample
    | RetrievalExample
    | MiningExample
    | RankingExample
    | TextExample
)


class Examples(list[AnyExample]):
    """Examples, how many rows of their files have no gold and are left out, and what else is to be said of them."""

    def __init__(
        self,
        examples: Iterable[AnyExample] = (),
        without_gold: int = 0,
        noted: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__(examples)
        self.without_gold = without_gold
        self.noted: Counter[str] = Counter(noted)
        """Name of a flag -> how many rows or examples it is about."""
