"""What an example is made from: the keys by which rows of different data sets are told to share an item.

An item is what a scored row must not have in common with a training row: the premise of inference, the article or
paragraph of a question, the sentences of a paraphrase, the sentence that is tagged. Texts are one item if they have the
same bag of words: word scrambling makes pairs of sentences that only their order tells apart (PAWS-X).
"""

import unicodedata
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import Any

from simxfer.common.identity import hashed
from simxfer.tasks.examples import AnyExample, RankingExample, SpanExample, TextExample
from simxfer.tasks.nli import LABELS as INFERENCE
from simxfer.tasks.record import Kind, Task


@dataclass(frozen=True)
class Item:
    """What makes the item of a kind of example."""

    name: str
    """What it is called in messages."""
    texts: Callable[[Any], tuple[str | None, ...]]
    """Its texts; None where there is none."""


PREMISE = Item("premise", lambda e: (e.text,))  # hypotheses are short: unrelated pairs share them
ITEMS: dict[Kind, Item] = {
    "classification": Item("sentence", lambda e: (e.text, e.text_pair)),
    "multiple_choice": Item("context", lambda e: (e.context,)),
    "span": Item("article or paragraph", lambda e: (e.context,)),
    "tagging": Item("sentence", lambda e: e.texts),
    "retrieval": Item("sentence", lambda e: (e.text, e.translation)),
    "mining": Item("sentence", lambda e: (e.text,)),
    "ranking": Item("query or paragraph", lambda e: (e.text if e.side == "query" else e.text_pair,)),
    "mlm": Item("sentence", lambda e: (e.text, e.text_pair)),
}


def item_of(task: Task) -> Item:
    """Return what makes the item of a task's examples."""
    return PREMISE if task.labels == INFERENCE else ITEMS[task.kind]


def item_keys(example: AnyExample, task: Task) -> Set[bytes]:
    """Return the keys of what an example is made from: examples that have one in common share an item.

    Args:
        example: an example of the task.
        task: whose data it is of: it decides which of its texts make the item.
    """
    item = ITEMS["mlm"] if isinstance(example, TextExample) else item_of(task)
    texts = [f"text:{words}" for words in map(bag_of_words, item.texts(example)) if words]
    if isinstance(example, SpanExample | RankingExample) and example.title:
        texts.append(f"title:{bag_of_words(example.title)}")
    return {hashed(text, 8) for text in texts}


def id_keys(example: AnyExample) -> Set[bytes]:
    """Return the key of an example's id; none of a number, a place in a file that names nothing outside of it."""
    return set() if example.id.isdigit() else {hashed(f"id:{example.id}", 8)}


def bag_of_words(text: str | None) -> str:
    """Return the words of a text, sorted; in compatibility form, without case, punctuation and symbols.

    Example:
        >>> bag_of_words("The cat, the DOG!") == bag_of_words("the dog the cat")
        True
    """
    plain = unicodedata.normalize("NFKC", text or "").casefold().translate(_BLANKED)
    return " ".join(sorted(plain.split()))


class _Blanked(dict[int, str]):
    """Characters as they are, punctuation and symbols as blanks; each is looked up once."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        self[code] = " " if unicodedata.category(character)[0] in "PS" else character
        return self[code]


_BLANKED = _Blanked()
