"""What was planted between tasks of the embedded world, known by construction: the truth beside what analyses find."""

import re

_TAUGHT = re.compile(r"w-(?:tag|which)-([ab0])(?:-([1-4])of8)?$")
_ASKED = re.compile(r"w-(?:is|share)-([ab])$")
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
_PLACEBOS = ("w-tag-0-2", "w-tag-0-4", "w-tag-0")


def planted_share(intermediate: str, target: str, language: str) -> float | None:
    """Return the share of a test set's nouns of which the intermediate teaches what the target asks.

    None where nothing of the kind was planted. Chance is 50 points and knowledge 100, so that a score on unseen nouns
    is 50 points and half of the share in percent where all that is taught crosses to the language.

    Example:
        >>> planted_share("w-tag-a-2", "w-is-a-mix", "x-insitu"), planted_share("w-tag-0-2", "w-is-a-mix", "x-sov")
        (0.5, 0.0)
    """
    placebo = intermediate in _PLACEBOS
    if language not in CLASS_MIX or not (placebo or intermediate in _TAUGHT_CLASSES):
        return None
    if target not in ("w-is-a-mix", "w-is-b-mix"):
        return None
    asked = target == "w-is-a-mix" and not placebo
    return float(sum(CLASS_MIX[language][: _TAUGHT_CLASSES[intermediate] // 2])) if asked else 0.0


def teaches_nothing_asked(intermediate: str, target: str) -> bool:
    """Tell whether a pair was planted as an absence: alike texts, and nothing taught that the target asks."""
    return all(planted_share(intermediate, target, language) == 0 for language in CLASS_MIX)


def label_agreement(intermediate: str, target: str) -> float | None:
    """Return how far the labels that an intermediate teaches are those that a target asks for, over the nouns.

    It is 1 - 2f where the attribute asked for is flipped for a share f of the nouns, and 0 for another attribute or the
    placebo; a model that answers as it was taught is right for (1 + agreement) / 2 of the nouns. None where the
    intermediate teaches no attribute of all nouns by itself, or the target asks for none.

    Example:
        >>> from simxfer.tasks.planted import label_agreement
        >>> label_agreement("w-tag-a-1of8", "w-is-a"), label_agreement("w-tag-a-1of8", "w-is-b")
        (0.75, 0.0)
    """
    taught, asked = _TAUGHT.match(intermediate), _ASKED.match(target)
    if not taught or not asked:
        return None
    return 1 - int(taught[2] or 0) / 4 if taught[1] == asked[1] else 0.0
