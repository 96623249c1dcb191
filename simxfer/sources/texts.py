"""What is a text, and what only stands where one should: blanks, the `_` of treebanks without text, `NS`."""

import unicodedata
from collections.abc import Sequence

from simxfer.tasks.examples import AnyExample, ChoiceExample, RetrievalExample, TaggingExample
from simxfer.tasks.shapes import codes

WITHOUT_FORM = "_"
"""What CoNLL-U writes for a form that is not given; in the middle of a sentence it may be a real word."""
PLACEHOLDERS = frozenset(
    codes("NS NA N/A n/a #N/A NaN nan NULL null TODO TBD XXX - -- ? ??? _ . ... … #NAME? #VALUE! #REF!")
)
"""Whole texts that a translator or a table leaves for none: PAWS-X's `NS` (google-research-datasets/paws, issue 15),
pandas' and spreadsheets' words for nothing."""

FEWEST_UNBROKEN, UNBROKEN = 300, 100
"""A file to tag with at least so many words, and so many a sentence, lacks the blank lines between its sentences: the
longest mean of a published treebank is about 40 words, the longest sentence of PAN-X 402."""

_INVISIBLE = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


def has_text(text: str) -> bool:
    """Tell whether a text has a character that is neither a blank nor invisible."""
    return any(unicodedata.category(character) not in _INVISIBLE for character in text)


def lacks_text(example: AnyExample) -> bool:
    """Tell whether an example, or one of the texts that it is made of, is empty.

    A sentence to tag lacks its text where all words are empty, or all but one, or most of them, are `_`: treebanks
    whose text may not be handed on (XTREME's `utils_preprocess.py` leaves out the sentences with one other word).
    """
    if isinstance(example, TaggingExample):
        hidden, words = example.words.count(WITHOUT_FORM), len(example.words)
        most = hidden and hidden >= min(words - 1, words // 2 + 1)
        return bool(most) or not any(map(has_text, example.words))
    choices = example.choices if isinstance(example, ChoiceExample) else ()
    return not all(map(has_text, (*read_texts(example), *choices)))


def lacks_breaks(examples: Sequence[AnyExample]) -> bool:
    """Tell whether the sentences of a file to tag stand behind one another with no blank line between them."""
    words = sum(len(example.words) for example in examples if isinstance(example, TaggingExample))
    return words >= FEWEST_UNBROKEN and words >= UNBROKEN * len(examples)


def is_placeholder(text: str) -> bool:
    """Tell whether a text is one of `PLACEHOLDERS`."""
    return text.strip() in PLACEHOLDERS


def read_texts(example: AnyExample) -> tuple[str, ...]:
    """Return the texts of an example that may be placeholders: words to tag and choices may be so short themselves."""
    if isinstance(example, TaggingExample):
        return ()
    if isinstance(example, ChoiceExample):
        return (example.context,)
    return (*example.texts, *((example.translation,) if isinstance(example, RetrievalExample) else ()))
