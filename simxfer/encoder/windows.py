"""What is too long: tagging and span QA become several rows, windows; of multiple choice the text alone is cut."""

import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np

from simxfer.common.errors import InputError
from simxfer.encoder.ragged import IGNORED, Features
from simxfer.encoder.tokens import build, cut_off, encode, label_index
from simxfer.tasks.examples import ChoiceExample, SpanExample, TaggingExample
from simxfer.tasks.record import Task


def tagging_features(
    examples: Sequence[TaggingExample], task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    """The first subword of a word carries its tag; a sentence that is too long becomes several windows.

    A word that the tokenizer's normaliser leaves nothing of (a lone U+200E) is read as <unk>, as in XTREME.

    Raises:
        InputError: a tag is not in the task's label space.
    """
    index, first_words, windows = [], [], []
    whole = tokenizer([list(e.words) for e in examples], is_split_into_words=True, add_special_tokens=False)
    for i, (example, encoding) in enumerate(zip(examples, whole.encodings, strict=True)):
        pieces = np.bincount([w for w in encoding.word_ids if w is not None], minlength=len(example.words))
        for first, last in _windows(
            np.maximum(pieces, 1), max_length - tokenizer.num_special_tokens_to_add()
        ):
            index.append(i)
            first_words.append(first)
            readable = zip(example.words[first:last], pieces[first:last], strict=True)
            windows.append([word if n else tokenizer.unk_token for word, n in readable])
    encodings = tokenizer(windows, is_split_into_words=True, truncation=True, max_length=max_length).encodings
    labels, spans = [], []
    for i, first, encoding in zip(index, first_words, encodings, strict=True):
        tags = [label_index(tag, task, examples[i].id) for tag in examples[i].tags]
        before = None
        for word in encoding.word_ids:
            starts = word is not None and word != before
            labels.append(tags[first + word] if starts else IGNORED)
            spans.append((first + word if starts else -1, 0))
            before = word
    cut = cut_off(encodings)
    return build(tokenizer, encodings, [1] * len(windows), index, cut, labels=labels, spans=spans)


def _windows(pieces: np.ndarray, room: int) -> list[tuple[int, int]]:
    """Cut words with so many subwords into runs that fit; a word longer than the room is alone and truncated."""
    runs, first, filled = [], 0, 0
    for i, n in enumerate(pieces):
        if filled and filled + n > room:
            runs.append((first, i))
            first, filled = i, 0
        filled += n
    return [*runs, (first, len(pieces))]


def span_features(
    examples: Sequence[SpanExample], _task: Task, tokenizer: Any, max_length: int, stride: int
) -> Features:
    """A context that is too long becomes windows that overlap by the stride; one that has no answer says (0, 0).

    A negative stride is what windows advance by, whatever room their question leaves.

    Raises:
        InputError: an answer does not stand at its offset, or there is no room for questions.
    """
    questions, cut = _questions(examples, tokenizer, max_length, abs(stride))
    contexts = [e.context for e in examples]
    index, encodings = _context_windows(questions, contexts, tokenizer, max_length, stride)
    labels, spans = [], []
    for k, (i, encoding) in enumerate(zip(index, encodings, strict=True)):
        opens, closes = index[k - 1 : k] != [i], index[k + 1 : k + 2] != [i]
        places = _places(encoding, examples[i].context, closes)
        labels.append(_answer_tokens(examples[i], places, opens, closes))
        spans += places
    whole = {i for i, label in zip(index, labels, strict=True) if label != (0, 0)}
    lost = sum(i in cut or (bool(e.answers) and i not in whole) for i, e in enumerate(examples))
    units = [1] * len(index)
    return build(tokenizer, encodings, units, index, lost, labels=labels, spans=spans)


def _context_windows(
    questions: list[str], contexts: list[str], tokenizer: Any, max_length: int, stride: int
) -> tuple[list[int], list[Any]]:
    """Return whose each window is and the windows, those of a context one after the other."""
    overlaps = np.full(len(questions), stride)
    if stride < 0:
        pieces = [len(e.ids) for e in tokenizer(questions, add_special_tokens=False).encodings]
        room = max_length - tokenizer.num_special_tokens_to_add(pair=True) - np.array(pieces)
        overlaps = np.maximum(room + stride, 0)
    windows: list[tuple[int, Any]] = []
    for overlap in np.unique(overlaps):  # the tokenizer takes one overlap for all that it is given
        chosen = np.flatnonzero(overlaps == overlap).tolist()
        encoded = tokenizer(
            [questions[i] for i in chosen],
            [contexts[i] for i in chosen],
            truncation="only_second",
            max_length=max_length,
            stride=int(overlap),
            return_overflowing_tokens=True,
        )
        index = [chosen[k] for k in encoded["overflow_to_sample_mapping"]]
        windows += zip(index, encoded.encodings, strict=True)
    windows.sort(key=lambda window: window[0])
    return [i for i, _ in windows], [encoding for _, encoding in windows]


def _places(encoding: Any, context: str, closes: bool) -> list[tuple[int, int]]:
    """Return where each subword of the context stands in it, and (-1, -1) for all others.

    The normaliser makes one character of a letter and the marks behind it, and the tokenizer gives that the place of
    the letter alone: the marks are added. `closes` tells whether the window ends the context.
    """
    places = [(-1, -1)] * len(encoding.ids)
    behind = len(context) if closes else 0
    for k in reversed([k for k, part in enumerate(encoding.sequence_ids) if part == 1]):
        start, end = encoding.offsets[k]
        while start < end < behind and _is_composed(context[end]):
            end += 1
        places[k], behind = (start, end), start
    return places


def _is_composed(character: str) -> bool:
    """Tell whether a character may become one with what stands before it: a mark, or the rest of a Hangul syllable."""
    of_hangul, of_half_width_kana = "\u1160" <= character <= "\u11ff", character in "\uff9e\uff9f"
    return unicodedata.category(character)[0] == "M" or of_hangul or of_half_width_kana


def _answer_tokens(
    example: SpanExample, places: Sequence[tuple[int, int]], opens: bool, closes: bool
) -> tuple[int, int]:
    """Return the first and last token of the first gold answer, or (0, 0) if it is not whole in the window.

    `opens` and `closes` tell whether the window begins and ends the context. Blanks around an answer, and
    characters that the normaliser removes, belong to no token.
    """
    if not example.answers:
        return 0, 0
    start, text = example.answers[0]
    found = example.context[start : start + len(text)]
    if found != text:
        raise InputError(
            f"answer of {example.id!r} does not stand at its offset: got {found!r} at {start}, expected {text!r}"
        )
    end = start + len(text)
    context = [k for k, (a, b) in enumerate(places) if b > a >= 0]
    inside = [k for k in context if places[k][1] > start and places[k][0] < end]
    if not inside:
        return 0, 0
    cut_before = not opens and inside[0] == context[0] and places[inside[0]][0] > start
    cut_behind = not closes and inside[-1] == context[-1] and places[inside[-1]][1] < end
    return (0, 0) if cut_before or cut_behind else (inside[0], inside[-1])


def _questions(
    examples: Sequence[SpanExample], tokenizer: Any, max_length: int, stride: int
) -> tuple[list[str], set[int]]:
    """Return the questions, those cut that leave too little room for their contexts, and which were cut.

    Where a context has to be cut into windows, the question may take half of what the overlap (or advance) of windows
    leaves.
    """
    most = (max_length - tokenizer.num_special_tokens_to_add(pair=True) - stride) // 2
    if most < 1:
        raise InputError(
            f"max_length {max_length} with stride {stride} leaves no room for questions; raise max_length or "
            "lower stride"
        )
    encodings = tokenizer([e.question for e in examples], add_special_tokens=False).encodings
    questions, cut = [], set()
    for i, (example, encoding) in enumerate(zip(examples, encodings, strict=True)):
        too_long = len(encoding.ids) > most and (
            len(tokenizer(example.question, example.context)["input_ids"]) > max_length
        )
        questions.append(_cut(example.question, tokenizer, most) if too_long else example.question)
        cut |= {i} if too_long else set()
    return questions, cut


def _cut(text: str, tokenizer: Any, most: int) -> str:
    """Return the longest beginning of a text at a border of subwords that has at most so many of them."""
    [encoding] = tokenizer([text], add_special_tokens=False).encodings
    ends = [end for _, end in encoding.offsets[:most]]
    # What is cut off may have held subwords together: the beginning alone can have more of them.
    while len(tokenizer(text[: ends[-1]], add_special_tokens=False)["input_ids"]) > most:
        ends.pop()
    return text[: ends[-1]]


def choice_features(
    examples: Sequence[ChoiceExample], _task: Task, tokenizer: Any, max_length: int, _stride: int
) -> Features:
    """One row a choice, behind the context; all choices of an example see the same part of one that is too long.

    A context is cut at its beginning: what is asked (Cosmos QA, COPA), and the beginning of the sentence that the
    choices complete (HellaSwag, SWAG), stand at its end. It keeps a third of the room where the choices are long as
    well, so that no question is lost; then they are cut at their end.
    """
    sizes = [len(e.choices) for e in examples]
    index = np.repeat(np.arange(len(examples)), sizes).tolist()
    first_rows = np.cumsum([0, *sizes])
    choices = [choice for e in examples for choice in e.choices]
    encodings, _ = encode(tokenizer, [examples[i].context for i in index], choices, max_length)
    cut = sorted({i for i, encoding in zip(index, encodings, strict=True) if encoding.overflowing})
    for i in cut:
        context = _end_of_context(examples[i], tokenizer, max_length)
        again, _ = encode(tokenizer, [context] * sizes[i], examples[i].choices, max_length)
        encodings[first_rows[i] : first_rows[i + 1]] = again
    truncated = sum(sizes[i] for i in cut)
    return build(tokenizer, encodings, sizes, index, truncated, labels=[e.label for e in examples])


def _end_of_context(example: ChoiceExample, tokenizer: Any, max_length: int) -> str:
    """Return the longest end of a context that leaves room for the longest choice, or a third of the room."""
    room = max_length - tokenizer.num_special_tokens_to_add(pair=True)
    [context] = tokenizer([example.context], add_special_tokens=False).encodings
    longest = max(len(ids) for ids in tokenizer(list(example.choices), add_special_tokens=False)["input_ids"])
    kept = min(len(context.ids), max(room - longest, room // 3))
    for start, _ in context.offsets[len(context.ids) - kept :]:
        end = example.context[start:].lstrip()
        # What is cut off may have held subwords together: the end alone can have more of them.
        if len(tokenizer(end, add_special_tokens=False)["input_ids"]) <= kept:
            return end
    return ""
