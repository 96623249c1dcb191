"""Perturbed examples: which texts of each kind change, and what moves with their words."""

import re
from collections import Counter
from dataclasses import replace
from typing import Any, Protocol

from simxfer.schema.tables import ANSWERS_HIT, WORDS, WORDS_CHANGED
from simxfer.sources.perturb import Perturbation, Words, changed, clusters, script_of
from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    ClassificationExample,
    Examples,
    RetrievalExample,
    SpanExample,
    TaggingExample,
)

FEWEST, LOOKED_AT, NOT_AVAILABLE = 0.02, 200, "not-available"
"""A perturbation that at full strength changes a smaller share of the words of so many examples is not available: it
has nothing in the language. Words in other scripts do not count: case is not available in Hindi for its Latin names."""

LONG, PIECE = 20, 4
"""A run of more clusters than this without a blank, as of Chinese or Thai, is cut into pieces of so many."""


class Rewriting(Protocol):
    """What changes the words of a text; a `Perturbation` is one."""

    def apply(self, words: Words, *names: str) -> list[tuple[int, str]]:
        """Return the words of the new text, each with the place that it comes from; names: example's id, field."""


def perturbed(examples: Examples, perturbation: Perturbation) -> Examples:
    """Return the examples under a perturbation; ids, labels and their number stay.

    Sentences that are searched (translations), and gold, are never changed. A perturbation that is not available in
    the language changes nothing, and `NOT_AVAILABLE` is noted.
    """
    if reach(examples, perturbation) < FEWEST:
        return Examples(examples, examples.without_gold, examples.noted + Counter([NOT_AVAILABLE]))
    counts: Counter[str] = Counter()
    new = [rewritten(example, perturbation, counts) for example in examples]
    return Examples(new, examples.without_gold, examples.noted + counts)


def rewritten(example: AnyExample, how: Rewriting, counts: Counter[str]) -> AnyExample:
    """Return one example with the words of its fields changed; labels, tags and answers stay on theirs.

    Args:
        example: of a kind that a perturbation can change.
        how: asked for one field after the other: `text` and `text_pair`, `words`, `context` and `choice 0` ...; of span
            QA `question`, `answer`, which stays unless all else does, `before` and `behind` it.
        counts: what is noted is added to it.
    """
    return _CHANGE[type(example)](example, how, counts)


def reach(examples: Examples, perturbation: Perturbation) -> float:
    """Return the share of words that a perturbation changes at full strength, of those in the script of the data."""
    if perturbation.name == "spacing" and any(isinstance(e, TaggingExample) for e in examples):
        return 0.0  # tags have the words as they are
    full = replace(perturbation, strength=1.0, draw=0)  # all draws are available in the same languages
    texts = [(e.id, words) for e in examples[:LOOKED_AT] for words in _words(e)]
    scripts = Counter(script_of(c) for _, words in texts for c in "".join(words) if c.isalpha())
    main = {name for name, _ in scripts.most_common(1)}
    own = [(i, [w for w in words if {script_of(c) for c in w if c.isalpha()} == main]) for i, words in texts]
    return sum(changed(words, full.apply(words, i)) for i, words in own) / max(1, sum(len(w) for _, w in own))


def _words(example: AnyExample) -> list[list[str]]:
    if isinstance(example, TaggingExample):
        return [list(example.words)]
    return [_cut([(word, "") for word in text.split()])[0] for text in example.texts]


def can_change(kind: str, how: Perturbation) -> bool:
    """Tell whether a perturbation can change examples of a kind of task.

    None changes the corpora and pools that are searched; what follows the loss has none in retrieval without
    training.
    """
    kinds = ("classification", "tagging", "span", "multiple_choice")
    return kind in kinds or (kind == "retrieval" and not how.follows_loss)


def _text(text: str, how: Rewriting, counts: Counter[str], *names: str) -> str:
    """Return a text of perturbed words; what stood behind a word goes with it, blanks at both ends stay."""
    pieces = list(re.finditer(r"(\S+)(\s*)", text))
    words, blanks = _cut([(piece[1], piece[2]) for piece in pieces])
    if not words:
        return text
    new = how.apply(words, *names)
    counts[WORDS] += len(words)
    counts[WORDS_CHANGED] += changed(words, new)
    # The last word may move or come again: what stands behind it then is what stands before it.
    end, blanks[-1] = blanks[-1], blanks[-2] if len(words) > 1 else " "
    inside = "".join(word + blanks[place] for place, word in new[:-1])
    return text[: pieces[0].start()] + inside + new[-1][1] + end


def _cut(pairs: list[tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Cut long runs without a blank into pieces; return words and what stands behind each."""
    words, blanks = [], []
    for word, blank in pairs:
        units = clusters(word)
        parts = [units[i : i + PIECE] for i in range(0, len(units), PIECE)] if len(units) > LONG else [units]
        words += ["".join(part) for part in parts]
        blanks += [""] * (len(parts) - 1) + [blank]
    return words, blanks


def _classification(example: ClassificationExample, p: Rewriting, counts: Counter[str]) -> AnyExample:
    pair = example.text_pair
    return replace(
        example,
        text=_text(example.text, p, counts, example.id, "text"),
        text_pair=None if pair is None else _text(pair, p, counts, example.id, "text_pair"),
    )


def _tagging(example: TaggingExample, p: Rewriting, counts: Counter[str]) -> AnyExample:
    new = p.apply(list(example.words), example.id, "words")
    counts[WORDS] += len(example.words)
    counts[WORDS_CHANGED] += changed(list(example.words), new)
    return replace(example, words=tuple(word for _, word in new), tags=tuple(example.tags[i] for i, _ in new))


def _choice(example: ChoiceExample, p: Rewriting, counts: Counter[str]) -> AnyExample:
    choices = [_text(text, p, counts, example.id, f"choice {i}") for i, text in enumerate(example.choices)]
    return replace(
        example, context=_text(example.context, p, counts, example.id, "context"), choices=tuple(choices)
    )


def _retrieval(example: RetrievalExample, p: Rewriting, counts: Counter[str]) -> AnyExample:
    return replace(example, text=_text(example.text, p, counts, example.id, "text"))


def _span(example: SpanExample, p: Rewriting, counts: Counter[str]) -> AnyExample:
    """Change the question and what stands before and behind the answer; the answer itself, if it is hit, nothing."""
    mine: Counter[str] = Counter()
    question = _text(example.question, p, mine, example.id, "question")
    if not example.answers:
        context = _text(example.context, p, mine, example.id, "context")
        counts.update(mine)
        return replace(example, question=question, context=context)
    start, answer = example.answers[0]
    end = start + len(answer)
    if _text(answer, p, Counter(), example.id, "answer") != answer:
        counts[ANSWERS_HIT] += 1
        return example
    before = _text(example.context[:start], p, mine, example.id, "before")
    context = before + answer + _text(example.context[end:], p, mine, example.id, "behind")
    counts.update(mine)
    # Features look at the first answer alone; of the others, which scores compare with, the text counts.
    others = ((max(context.find(text), 0), text) for _, text in example.answers[1:])
    return replace(example, question=question, context=context, answers=((len(before), answer), *others))


_CHANGE: dict[Any, Any] = {
    ClassificationExample: _classification,
    TaggingExample: _tagging,
    ChoiceExample: _choice,
    RetrievalExample: _retrieval,
    SpanExample: _span,
}
