"""The examples of every task: meanings drawn once for all languages, then put into the words of one.

The meanings of a split derive from (world, task, split, draw) and from no language, so that the test sets of
all languages are translations of each other and carry the same ids; where a language's test set is a part of what was
drawn, what two languages share is. A draw is a new sample of everything,
planted attributes included.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, get_args

import numpy as np

from simxfer.common.errors import InputError, unknown
from simxfer.common.streams import stream
from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    ClassificationExample,
    RetrievalExample,
    SpanExample,
    TaggingExample,
)
from simxfer.tasks.record import Task
from simxfer.tasks.world import WORLD_TASKS
from simxfer.world.attributes import class_mix, is_items, share_items, tag_class_items, tag_items, which_items
from simxfer.world.items import Items, Request
from simxfer.world.languages import PIVOT, get_language
from simxfer.world.lexicon import Lexicon, check_world, lexicon, with_synonyms
from simxfer.world.meanings import AGENT, NONE, PATIENT, PLACE, get_world
from simxfer.world.nli import PARTICLES, cloze_items, cue_items, nli_items, particle_items
from simxfer.world.ontology import COPULA, DETERMINER, GROUP_OF, N_CONCEPTS, NEGATION, PART_OF_SPEECH
from simxfer.world.reading import ner_items, qa_items, roles_items, sentence_items
from simxfer.world.render import NOUN_SLOT, ROLE_OF_SLOT, Rendered, render

Split = Literal["train", "test"]
_TASKS: dict[str, Task] = {task.name: task for task in WORLD_TASKS}


@dataclass(frozen=True)
class Generator:
    """How the meanings of a task are drawn, how words are tagged, and to which subsets test items belong.

    Tasks with the same stream draw the same sentences: the placebo sees what the taught attribute sees.
    """

    items: Callable[[Request], Items]
    stream: str = ""
    tags: Callable[[Items, Rendered], list[str]] | None = None
    subsets: Callable[[Items, Lexicon], list[tuple[str, ...]]] | None = None
    held: Callable[[Items, str, int], np.ndarray] | None = None
    """Which items make up the test set of a language, of the given size; None: all of them."""
    drawn: int = 1
    """Test items drawn for each that a language holds."""


def examples(
    world: int, task: str, split: str, language: str, n: int | None = None, draw: int = 0
) -> list[AnyExample]:
    """Return the examples of a split of a task in a language.

    Args:
        world: number of the world; encoders exist for `WORLDS`.
        task: name of a record in `simxfer.tasks.world`.
        split: `train` or `test`; no clause with the agent, verb and patient of a test clause is in any training
            set of the world.
        language: code in `LANGUAGES`.
        n: number of examples; None for the size in the record. The first n of what a larger n up to the record's
            size gives.
        draw: number of the sample, a run's seed: everything is drawn anew, the planted attributes included.

    Returns:
        Examples of the class that belongs to the task's kind; those with one id mean the same in every language.

    Raises:
        InputError: unknown world, task, split or language, a language or split that the task does not have, or a
            negative number.
    """
    record = _check(world, task, split, language, n, draw)
    size = record.size(split)
    wanted = size if n is None else n
    items, numbers = _held(world, task, split, language, max(size, wanted), draw)
    words = lexicon(world, language)
    made = _REALISE[record.kind](record, items, words)
    subsets_of = GENERATORS[task].subsets if split == "test" else None
    subsets = subsets_of(items, words) if subsets_of else [()] * len(items)
    return [
        make(id=f"{draw}-{number}", subsets=subset)
        for number, make, subset in zip(
            numbers[:wanted].tolist(), made[:wanted], subsets[:wanted], strict=True
        )
    ]


def _check(world: int, task: str, split: str, language: str, n: int | None, draw: int) -> Task:
    check_world(world)
    get_language(language)
    if task not in _TASKS:
        raise InputError(unknown("world task", task, _TASKS))
    record = _TASKS[task]
    if split not in get_args(Split):
        raise InputError(unknown("split", split, get_args(Split)))
    if split not in dict(record.sizes):
        raise InputError(f"task {task!r} has no {split} split; it has {', '.join(dict(record.sizes))}")
    if language not in (record.languages if split == "test" else record.train_languages):
        raise InputError(
            f"task {task!r} has no {split} data in {language!r}: its sentences are translated into it"
        )
    for name, value in (("n", 0 if n is None else n), ("draw", draw)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise InputError(f"{name}={value!r}: expected an integer from 0")
    return record


def _held(world: int, task: str, split: str, language: str, n: int, draw: int) -> tuple[Items, np.ndarray]:
    """Return n items of a language and their numbers among those drawn."""
    generator = GENERATORS[task]
    if split != "test" or generator.held is None:
        return _items(world, task, split, n, draw), np.arange(n)
    items = _items(world, task, split, generator.drawn * n, draw)
    numbers = generator.held(items, language, n)
    return items.take(numbers), numbers


@lru_cache(maxsize=64)
def _items(world: int, task: str, split: str, n: int, draw: int) -> Items:
    """Return the meanings of a split, drawn once for all languages."""
    generator = GENERATORS[task]
    rng = stream("world", world, generator.stream or task, split, draw)
    return generator.items(Request(get_world(world), rng, n, split == "test", draw))


_Made = list[Callable[..., AnyExample]]


def _sentences(items: Items, words: Lexicon, k: int) -> list[str]:
    return render(items.clauses[:, k], words.language).texts(words)


def _classification(record: Task, items: Items, words: Lexicon) -> _Made:
    texts = [_sentences(items, words, k) for k in range(items.clauses.shape[1])]
    if words.language.code == PIVOT:  # the one language with particles
        texts[-1] = [_ended(text, words, word) for text, word in zip(texts[-1], items.particles, strict=True)]
    pairs = texts[1] if len(texts) == 2 else [None] * len(items)
    return [
        partial(ClassificationExample, text=a, text_pair=b, label=record.labels[label])
        for a, b, label in zip(texts[0], pairs, items.labels, strict=True)
    ]


def _ended(text: str, words: Lexicon, particle: int) -> str:
    """Return a sentence with a particle before its full stop; as it is where there is none."""
    return text if particle == NONE else f"{text[:-2]} {words.forms[particle]}{text[-2:]}"


def _choice(record: Task, items: Items, words: Lexicon) -> _Made:
    context, *choices = (_sentences(items, words, k) for k in range(items.clauses.shape[1]))
    return [
        partial(ChoiceExample, context=text, choices=options, label=int(label))
        for text, options, label in zip(context, zip(*choices, strict=True), items.labels, strict=True)
    ]


def _span(record: Task, items: Items, words: Lexicon) -> _Made:
    rendered = [render(items.clauses[:, k], words.language) for k in (0, 1)]
    strings = [sentences.strings(words) for sentences in rendered]
    at = [_answer_positions(sentences, items.clauses["asked"][:, 2]) for sentences in rendered]
    made: _Made = []
    for i, question in enumerate(_sentences(items, words, 2)):
        label = int(items.labels[i])
        text = [*strings[0][i], *strings[1][i]]
        position = at[label][i] + (len(strings[0][i]) if label else 0)
        answer = (sum(len(word) + 1 for word in text[:position]), text[position])
        made.append(partial(SpanExample, question=question, context=" ".join(text), answers=(answer,)))
    return made


def _answer_positions(sentences: Rendered, asked: np.ndarray) -> list[int]:
    """Return the number of the word in each sentence that is the noun of the role asked for, 0 if there is none."""
    lengths = np.diff(sentences.offsets)
    wanted = np.repeat(np.vectorize(NOUN_SLOT.__getitem__)(asked), lengths)
    row = np.repeat(np.arange(len(sentences)), lengths)
    found = np.flatnonzero(sentences.slots == wanted)
    out = np.zeros(len(sentences), dtype=np.int64)
    out[row[found]] = found - sentences.offsets[row[found]]
    return out.tolist()


def _tagging(record: Task, items: Items, words: Lexicon) -> _Made:
    rendered = render(items.clauses[:, 0], words.language)
    tagger = GENERATORS[record.name].tags
    assert tagger is not None, f"{record.name} has no tagger"
    tags, bounds = tagger(items, rendered), rendered.offsets.tolist()
    wordings = rendered.strings(words), rendered.strings(with_synonyms(words))
    return [
        partial(TaggingExample, words=tuple(wordings[other][i]), tags=tuple(tags[bounds[i] : bounds[i + 1]]))
        for i, other in enumerate(items.synonyms.astype(int))
    ]


def _retrieval(record: Task, items: Items, words: Lexicon) -> _Made:
    pivot = lexicon(words.world, PIVOT)
    return [
        partial(RetrievalExample, text=text, translation=translation)
        for text, translation in zip(_sentences(items, words, 0), _sentences(items, pivot, 0), strict=True)
    ]


_REALISE: dict[str, Callable[[Task, Items, Lexicon], _Made]] = {
    "classification": _classification,
    "multiple_choice": _choice,
    "span": _span,
    "tagging": _tagging,
    "retrieval": _retrieval,
}


def _noun_subsets(items: Items, words: Lexicon) -> list[tuple[str, ...]]:
    """Return whether nouns are seen, and for unseen ones whether all (no) forms are the pivot's."""
    pivot = np.array(lexicon(words.world, PIVOT).forms, dtype=object)
    alike = (np.array(words.forms, dtype=object) == pivot)[items.nouns]
    form = np.where(alike.all(axis=1), "+same-form", np.where(alike.any(axis=1), "", "+translated"))
    return [
        ("seen",) if seen else ("unseen", *([f"unseen{part}"] if part else []))
        for seen, part in zip(items.seen, form.tolist(), strict=True)
    ]


def _cue_subsets(items: Items, words: Lexicon) -> list[tuple[str, ...]]:
    agrees = items.clauses["order"][:, 1] == items.labels
    return [("cue-agrees" if yes else "cue-conflicts",) for yes in agrees.tolist()]


def _particle_subsets(items: Items, words: Lexicon) -> list[tuple[str, ...]]:
    """Return whether the particle agrees; the pivot's alone, as the other languages have none."""
    agrees = items.particles == np.array(PARTICLES)[items.labels]
    if words.language.code != PIVOT:
        return [()] * len(items)
    return [("cue-agrees" if yes else "cue-conflicts",) for yes in agrees.tolist()]


def _concepts(rendered: Rendered) -> np.ndarray:
    return rendered.words % N_CONCEPTS


def _pos_tags(items: Items, rendered: Rendered) -> list[str]:
    return np.array(PART_OF_SPEECH)[_concepts(rendered)].tolist()


_NER_TAGS = {"person": "B-PER", "city": "B-LOC", "org": "B-ORG"}


def _ner_tags(items: Items, rendered: Rendered) -> list[str]:
    return np.array([_NER_TAGS.get(group, "O") for group in GROUP_OF])[_concepts(rendered)].tolist()


_ROLE_NAMES = {AGENT: "AGENT", PATIENT: "PATIENT", PLACE: "PLACE"}
_SLOT_TAGS = np.array([_ROLE_NAMES.get(role, "O") for role in ROLE_OF_SLOT], dtype=object)
_CONCEPT_TAGS = {"adjective": "MODIFIER", "digit": "MODIFIER", "relation": "O", "time": "TIME", "mark": "O"}
_CONCEPT_TAGS |= {"verb": "VERB", "synonym": "VERB"}


def _role_tags(items: Items, rendered: Rendered) -> list[str]:
    """Tag nouns by their slot and other words by what they are; the patient of a state is its predicate."""
    concepts = _concepts(rendered)
    by_concept = np.array([_CONCEPT_TAGS.get(group, "") for group in GROUP_OF], dtype=object)
    by_concept[[DETERMINER, NEGATION]], by_concept[COPULA] = "O", "VERB"
    by_concept[[i for i, pos in enumerate(PART_OF_SPEECH) if pos == "PRON"]] = "O"
    tags = np.where(by_concept[concepts] == "", _SLOT_TAGS[rendered.slots], by_concept[concepts])
    states = np.repeat(items.clauses["verb"][:, 0] == COPULA, np.diff(rendered.offsets))
    tags[states & (rendered.slots == NOUN_SLOT[PATIENT])] = "PREDICATE"
    return tags.tolist()


def _attribute_tags(items: Items, rendered: Rendered) -> list[str]:
    """Tag the common nouns with the values of the items."""
    value_slot = np.full(len(ROLE_OF_SLOT), NONE)
    for k, role in enumerate((AGENT, PATIENT, PLACE)):
        value_slot[NOUN_SLOT[role]] = k
    k = value_slot[rendered.slots]
    row = np.repeat(np.arange(len(items)), np.diff(rendered.offsets))
    value = np.where(k == NONE, NONE, items.values[row, k])
    return np.array(["B-0", "B-1", "O"])[value].tolist()


GENERATORS: dict[str, Generator] = {
    "w-nli": Generator(nli_items),
    "w-qa": Generator(qa_items),
    "w-roles": Generator(roles_items, tags=_role_tags),
    "w-cloze": Generator(cloze_items),
    "w-tag-a": Generator(tag_items("a"), "tag", _attribute_tags),
    "w-tag-b": Generator(tag_items("b"), "tag", _attribute_tags),
    "w-tag-0": Generator(tag_items("0"), "tag", _attribute_tags),
    "w-tag-a-1of8": Generator(tag_items("a-1of8"), "tag", _attribute_tags),
    "w-tag-a-2of8": Generator(tag_items("a-2of8"), "tag", _attribute_tags),
    "w-tag-a-3of8": Generator(tag_items("a-3of8"), "tag", _attribute_tags),
    "w-tag-a-4of8": Generator(tag_items("a-4of8"), "tag", _attribute_tags),
    "w-tag-a-star": Generator(tag_items("a-star"), "tag", _attribute_tags),
    "w-tag-a-synonyms": Generator(tag_items("a", synonyms="a"), "tag", _attribute_tags),
    "w-tag-a-star-synonyms": Generator(tag_items("a", synonyms="a-star"), "tag", _attribute_tags),
    **{
        f"w-tag-{attribute}-{n}": Generator(tag_class_items(attribute, n), f"tag-{n}", _attribute_tags)
        for attribute in ("a", "0")
        for n in (2, 4)
    },
    "w-which-a": Generator(which_items("a")),
    "w-which-b": Generator(which_items("b")),
    "w-is-a": Generator(is_items("a"), "is", subsets=_noun_subsets),
    "w-is-b": Generator(is_items("b"), "is", subsets=_noun_subsets),
    "w-is-a-mix": Generator(is_items("a"), "is", subsets=_noun_subsets, held=class_mix, drawn=3),
    "w-is-b-mix": Generator(is_items("b"), "is", subsets=_noun_subsets, held=class_mix, drawn=3),
    "w-share-a": Generator(share_items("a"), subsets=_noun_subsets),
    "w-share-b": Generator(share_items("b"), subsets=_noun_subsets),
    "w-xnli": Generator(nli_items),
    "w-xnli-cue": Generator(cue_items, "w-xnli", subsets=_cue_subsets),
    "w-xnli-particle": Generator(particle_items, "w-xnli", subsets=_particle_subsets),
    "w-xqa": Generator(qa_items),
    "w-pos": Generator(sentence_items, tags=_pos_tags),
    "w-ner": Generator(ner_items, tags=_ner_tags),
    "w-xcloze": Generator(cloze_items),
    "w-tatoeba": Generator(sentence_items),
}
"""The generator of every task of the world."""
