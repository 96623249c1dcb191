"""The tasks of the embedded world: what `simxfer.world.examples` can make.

`training_data` names the generator of the training examples, so that two tasks of one generator (`w-nli` and
`w-xnli`) are a `same_data` pair: the gain of such a pair is "more data of the same task".

Knowledge is planted in `w-tag-*` and `w-which-*`: two attributes, A and B, of the 48 common nouns, drawn anew for
every draw and told in no other text. `w-is-*` and `w-share-*` ask for it; they train on half of the nouns (the
seen ones) and score the other half apart.

A spurious cue is planted in `w-xnli-cue`: the items of `w-xnli`, sentence by sentence, but for the word order of the
hypotheses. There is no training data but the pivot's; text without the cue in other languages is that of `w-xnli`.
`w-xnli-particle` is the same with a final word that the pivot alone has; the other languages' test sets are `w-xnli`'s.

Similarity to a language's texts is planted in `w-tag-a-2`, `w-tag-a-4` and `w-tag-a`, which teach 2, 4 and 6 of the
six classes of nouns, and in `w-is-a-mix`, whose test sets have other classes in other languages: `planted_share` says
what of a test set an intermediate teaches. `w-tag-0-2`, `w-tag-0-4` and `w-tag-0` have the same sentences and teach
nothing, `w-is-b-mix` has the same sentences and asks for what was not taught.
"""

import re
from typing import Literal

from simxfer.tasks.record import Kind, Task

WORLD_LANGUAGES = (
    "x-pivot",
    "x-sov",
    "x-vso",
    "x-na",
    "x-post",
    "x-nodet",
    "x-insitu",
    "x-fus",
    "x-agg",
    "x-cyrl",
    "x-lex",
    "x-a2",
    "x-b1",
    "x-b2",
    "x-c1",
    "x-c2",
    "x-d1",
)
"""The artificial languages, the pivot first; `simxfer.world.LANGUAGES` describes them."""

NLI_LABELS = ("entailment", "neutral", "contradiction")
ROLE_LABELS = ("O", "AGENT", "PATIENT", "PREDICATE", "VERB", "PLACE", "TIME", "MODIFIER")
POS_LABELS = ("NOUN", "PROPN", "VERB", "ADJ", "ADP", "DET", "NUM", "ADV", "PART", "PUNCT")
NER_LABELS = ("O", "B-PER", "B-LOC", "B-ORG")
ATTRIBUTE_LABELS = ("O", "B-0", "B-1")
WHICH_LABELS = ("first", "second")
IS_LABELS = ("no", "yes")
SHARE_LABELS = ("different", "same")

NOUN_SUBSETS = ("seen", "unseen", "unseen+same-form", "unseen+translated")
CUE_SUBSETS = ("cue-agrees", "cue-conflicts")

N_CLASSES = 6
"""Classes of nouns; `simxfer.world.ontology` names them."""
CLASS_MIX: dict[str, tuple[float, float, float]] = {
    "x-pivot": (1 / 3, 1 / 3, 1 / 3),
    "x-sov": (1.0, 0.0, 0.0),
    "x-vso": (0.0, 0.0, 1.0),
    "x-na": (0.0, 1.0, 0.0),
    "x-post": (0.0, 0.0, 1.0),
    "x-nodet": (1.0, 0.0, 0.0),
    "x-insitu": (0.5, 0.5, 0.0),
    "x-fus": (0.0, 0.5, 0.5),
    "x-agg": (0.5, 0.0, 0.5),
}
"""Shares of the first, second and third two classes of nouns in the test sets of `w-is-*-mix`: the pivot and the
languages whose nouns are all the pivot's, so that nothing but the mix sets them apart as to nouns."""
_TAUGHT_CLASSES = {"w-tag-a-2": 2, "w-tag-a-4": 4, "w-tag-a": 6}
_PLACEBO_CLASSES = {"w-tag-0-2": 2, "w-tag-0-4": 4, "w-tag-0": 6}


def planted_share(intermediate: str, target: str, language: str) -> float | None:
    """Return the share of a test set's nouns of which the intermediate teaches what the target asks.

    None where nothing of the kind was planted. Chance is 50 points and knowledge 100, so that a score on unseen nouns
    is 50 points and half of the share in percent where all that is taught crosses to the language.

    Example:
        >>> planted_share("w-tag-a-2", "w-is-a-mix", "x-insitu"), planted_share("w-tag-0-2", "w-is-a-mix", "x-sov")
        (0.5, 0.0)
    """
    placebo = intermediate in _PLACEBO_CLASSES
    if language not in CLASS_MIX or not (placebo or intermediate in _TAUGHT_CLASSES):
        return None
    if target not in ("w-is-a-mix", "w-is-b-mix"):
        return None
    asked = target == "w-is-a-mix" and not placebo
    return float(sum(CLASS_MIX[language][: _TAUGHT_CLASSES[intermediate] // 2])) if asked else 0.0


_Roles = tuple[Literal["intermediate", "target"], ...]
_INTERMEDIATE: _Roles = ("intermediate",)
_TARGET: _Roles = ("target",)


def teaches_nothing_asked(intermediate: str, target: str) -> bool:
    """Tell whether a pair was planted as an absence: alike texts, and nothing taught that the target asks."""
    return all(planted_share(intermediate, target, language) == 0 for language in CLASS_MIX)


def _task(
    name: str,
    kind: Kind,
    metrics: tuple[str, ...],
    generator: str,
    sizes: tuple[int, int],
    description: str,
    *,
    languages: tuple[str, ...] = WORLD_LANGUAGES,
    train_languages: tuple[str, ...] = WORLD_LANGUAGES,
    **fields,
) -> Task:
    """Return the record of a world task with `sizes` = (training, test) examples."""
    return Task(
        name=name,
        kind=kind,
        description=description,
        metrics=metrics,
        training_data=(f"world-{generator}",),
        languages=languages,
        train_languages=train_languages,
        world=True,
        selects_on="held-out",
        sizes=(("train", sizes[0]), ("test", sizes[1])),
        licence="Apache-2.0",
        citation="generated by simxfer.world",
        **fields,
    )


def _knowledge(attribute: str) -> tuple[Task, ...]:
    """Return the tasks that teach one planted attribute and the tasks that ask for it."""
    a, A = attribute, attribute.upper()
    return (
        _task(
            f"w-tag-{a}",
            "tagging",
            ("chunk_f1", "token_accuracy"),
            f"tag-{a}",
            (6000, 240),
            f"Tag every common noun of a sentence with its value of attribute {A}.",
            drawn_labels=True,
            labels=ATTRIBUTE_LABELS,
            roles=_INTERMEDIATE,
        ),
        _task(
            f"w-which-{a}",
            "classification",
            ("accuracy",),
            f"which-{a}",
            (6000, 240),
            f"Tell which of two sentences is about the noun that has attribute {A}.",
            drawn_labels=True,
            labels=WHICH_LABELS,
        ),
        _task(
            f"w-is-{a}",
            "classification",
            ("accuracy",),
            f"is-{a}",
            (400, 480),
            f"Tell whether the one common noun of a sentence has attribute {A}.",
            drawn_labels=True,
            labels=IS_LABELS,
            roles=_TARGET,
            subsets=NOUN_SUBSETS,
        ),
        _task(
            f"w-share-{a}",
            "classification",
            ("accuracy",),
            f"share-{a}",
            (800, 480),
            f"Tell whether the common nouns of two sentences have the same value of attribute {A}.",
            drawn_labels=True,
            labels=SHARE_LABELS,
            roles=_TARGET,
            subsets=NOUN_SUBSETS,
        ),
    )


def label_agreement(intermediate: str, target: str) -> float | None:
    """Return how far the labels that an intermediate teaches are those that a target asks for, over the nouns.

    It is 1 - 2f where the attribute asked for is flipped for a share f of the nouns, and 0 for another attribute or the
    placebo; a model that answers as it was taught is right for (1 + agreement) / 2 of the nouns. None where one of the
    two is not about attributes.

    Example:
        >>> from simxfer.tasks.world import label_agreement
        >>> label_agreement("w-tag-a-1of8", "w-is-a"), label_agreement("w-tag-a-1of8", "w-is-b")
        (0.75, 0.0)
    """
    taught, asked = _TAUGHT.match(intermediate), _ASKED.match(target)
    if not taught or not asked:
        return None
    return 1 - int(taught[2] or 0) / 4 if taught[1] == asked[1] else 0.0


_TAUGHT = re.compile(r"w-(?:tag|which)-([ab0])(?:-([1-4])of8)?$")
_ASKED = re.compile(r"w-(?:is|share)-([ab])$")


def _flipped(eighths: int, named: str) -> Task:
    """Return the record of the task that teaches A flipped for this many of the 8 nouns of each class."""
    return _task(
        f"w-tag-a-{eighths}of8",
        "tagging",
        ("chunk_f1", "token_accuracy"),
        f"tag-a-{eighths}of8",
        (6000, 240),
        f"Tag every common noun of a sentence with attribute A flipped for {named} of the nouns.",
        drawn_labels=True,
        labels=ATTRIBUTE_LABELS,
        roles=_INTERMEDIATE,
    )


def _some_classes(attribute: str, n: int) -> Task:
    """Return the tagging of the nouns of the first n classes: `a` teaches attribute A, `0` is the placebo."""
    value = (
        "its value of attribute A"
        if attribute == "a"
        else "a value drawn anew at each occurrence (a placebo)"
    )
    return _task(
        f"w-tag-{attribute}-{n}",
        "tagging",
        ("chunk_f1", "token_accuracy"),
        f"tag-{attribute}",
        (6000, 240),
        f"Tag the one common noun of a sentence, of {n} of the {N_CLASSES} classes of nouns, with {value}.",
        drawn_labels=True,
        labels=ATTRIBUTE_LABELS,
        roles=_INTERMEDIATE,
    )


def _mixed_classes(attribute: str) -> Task:
    """Return the target that asks for an attribute and whose test sets have other classes in other languages."""
    return _task(
        f"w-is-{attribute}-mix",
        "classification",
        ("accuracy",),
        f"is-{attribute}",
        (400, 240),
        f"Tell whether the one common noun of a sentence has attribute {attribute.upper()}; which classes of nouns a "
        "test set is about differs by language.",
        languages=tuple(CLASS_MIX),
        drawn_labels=True,
        labels=IS_LABELS,
        roles=_TARGET,
        subsets=NOUN_SUBSETS,
        parallel=False,
    )


WORLD_TASKS: tuple[Task, ...] = (
    _task(
        "w-nli",
        "classification",
        ("accuracy",),
        "nli",
        (8000, 240),
        "Natural language inference: tell whether a premise entails a hypothesis, contradicts it, or neither.",
        labels=NLI_LABELS,
        roles=_INTERMEDIATE,
    ),
    _task(
        "w-qa",
        "span",
        ("squad_f1", "exact_match"),
        "qa",
        (8000, 240),
        "Question answering: find the agent, patient or place that a question asks for in a text of two sentences.",
        roles=_INTERMEDIATE,
    ),
    _task(
        "w-roles",
        "tagging",
        ("token_accuracy",),
        "roles",
        (6000, 240),
        "Semantic role tagging: mark agent, patient, verb, place, time and modifiers in a sentence.",
        labels=ROLE_LABELS,
        roles=_INTERMEDIATE,
    ),
    _task(
        "w-cloze",
        "multiple_choice",
        ("accuracy",),
        "cloze",
        (6000, 240),
        "Multiple choice: pick the sentence that follows from the context; the others change who acts or on whom.",
        roles=_INTERMEDIATE,
    ),
    *_knowledge("a"),
    *_knowledge("b"),
    _task(
        "w-tag-0",
        "tagging",
        ("chunk_f1", "token_accuracy"),
        "tag-0",
        (6000, 240),
        "Placebo: every common noun of a sentence is tagged with a value drawn anew at each occurrence.",
        drawn_labels=True,
        labels=ATTRIBUTE_LABELS,
        roles=_INTERMEDIATE,
    ),
    _flipped(1, "an eighth"),
    _flipped(2, "a quarter"),
    _flipped(3, "three eighths"),
    _flipped(4, "half"),
    _task(
        "w-tag-a-star",
        "tagging",
        ("chunk_f1", "token_accuracy"),
        "tag-a-star",
        (6000, 240),
        "Tag every common noun of a sentence with attribute A*, which is A flipped for half of the nouns.",
        drawn_labels=True,
        labels=ATTRIBUTE_LABELS,
        roles=_INTERMEDIATE,
    ),
    *(
        _task(
            f"w-tag-{name}-synonyms",
            "tagging",
            ("chunk_f1", "token_accuracy"),
            f"tag-{name}-synonyms",
            (6000, 240),
            f"Tag every common noun of a sentence with attribute A, and its synonym with {shown}.",
            drawn_labels=True,
            labels=ATTRIBUTE_LABELS,
            roles=_INTERMEDIATE,
        )
        for name, shown in (("a", "A as well"), ("a-star", "A*"))
    ),
    *(_some_classes(attribute, n) for attribute in ("a", "0") for n in (2, 4)),
    *(_mixed_classes(attribute) for attribute in ("a", "b")),
    _task(
        "w-xnli",
        "classification",
        ("accuracy",),
        "nli",
        (300, 300),
        "Cross-lingual natural language inference: entailment, contradiction or neither, in every language.",
        labels=NLI_LABELS,
        roles=_TARGET,
    ),
    _task(
        "w-xnli-cue",
        "classification",
        ("accuracy",),
        "nli",
        (300, 300),
        "Cross-lingual natural language inference with a spurious cue: in the pivot's training data the word order "
        "of the hypothesis tells the label.",
        train_languages=WORLD_LANGUAGES[:1],
        labels=NLI_LABELS,
        roles=_TARGET,
        subsets=CUE_SUBSETS,
    ),
    _task(
        "w-xnli-particle",
        "classification",
        ("accuracy",),
        "nli",
        (300, 300),
        "Cross-lingual natural language inference with a spurious cue that no other language has: in the pivot's "
        "training data a word at the end of the hypothesis tells the label.",
        train_languages=WORLD_LANGUAGES[:1],
        labels=NLI_LABELS,
        roles=_TARGET,
        subsets=CUE_SUBSETS,
    ),
    _task(
        "w-xqa",
        "span",
        ("squad_f1", "exact_match"),
        "qa",
        (1000, 300),
        "Cross-lingual question answering: find the agent, patient or place asked for, in every language.",
        roles=_TARGET,
    ),
    _task(
        "w-pos",
        "tagging",
        ("token_accuracy",),
        "pos",
        (60, 300),
        "Part-of-speech tagging of sentences.",
        labels=POS_LABELS,
        roles=_TARGET,
    ),
    _task(
        "w-ner",
        "tagging",
        ("chunk_f1", "token_accuracy"),
        "ner",
        (200, 300),
        "Named entity recognition: persons, locations and organisations; some names need context.",
        labels=NER_LABELS,
        roles=_TARGET,
    ),
    _task(
        "w-xcloze",
        "multiple_choice",
        ("accuracy",),
        "cloze",
        (300, 300),
        "Cross-lingual multiple choice: pick the sentence that follows from the context, in every language.",
        roles=_TARGET,
    ),
    Task(
        name="w-tatoeba",
        kind="retrieval",
        description="Sentence retrieval: find the translation of a sentence into the pivot language.",
        metrics=("retrieval_accuracy",),
        training_data=(),
        languages=WORLD_LANGUAGES[1:],
        train_languages=(),
        world=True,
        roles=_TARGET,
        sizes=(("test", 200),),
        licence="Apache-2.0",
        citation="generated by simxfer.world",
    ),
)
