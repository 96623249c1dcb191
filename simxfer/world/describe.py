"""What a data sheet of a world shows: concepts, forms by language, sentences with glosses."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from simxfer.common.streams import stream
from simxfer.world.corpus import asked_about
from simxfer.world.languages import LANGUAGES, PIVOT, differing_switches
from simxfer.world.lexicon import JOINER, SUFFIXES, gloss, lexicon
from simxfer.world.meanings import PATIENT, draw_events, get_world
from simxfer.world.ontology import GLOSS, GROUP_OF, IS_LOAN, PART_OF_SPEECH
from simxfer.world.render import render


def describe(world: int) -> dict[str, pd.DataFrame]:
    """Return the tables of a world's data sheet.

    - languages: code, family, parent, switches, and which switches differ from the pivot;
    - concepts: number, gloss, group, part of speech, whether it is a loan;
    - forms: one row a concept or suffix, one column a language;
    - sentences: one row a (sentence, language): text and gloss. Word joiners are shown as hyphens.
    """
    return {
        "languages": _languages(),
        "concepts": pd.DataFrame(
            {"gloss": GLOSS, "group": GROUP_OF, "part_of_speech": PART_OF_SPEECH, "loan": IS_LOAN}
        ).rename_axis("concept"),
        "forms": pd.DataFrame(
            {code: (*lexicon(world, code).forms, *lexicon(world, code).suffixes) for code in LANGUAGES},
            index=pd.Index([*GLOSS, *SUFFIXES], name="gloss"),
        ),
        "sentences": _sentences(world),
    }


def _languages() -> pd.DataFrame:
    rows = [
        {**vars(language), "differs": ", ".join(differing_switches(code, PIVOT))}
        for code, language in LANGUAGES.items()
    ]
    return pd.DataFrame(rows).rename(columns={"code": "language"})


def _sentences(world: int) -> pd.DataFrame:
    """Return three events and a question in every language, with glosses."""
    rng = stream("world", world, "describe")
    events = draw_events(get_world(world), rng, 3, place=1.0, negated=0.5, fronted=0.0)
    said = np.concatenate([events, asked_about(events[:1], np.array([PATIENT]))])
    rows = []
    for code, language in LANGUAGES.items():
        rendered = render(said, language)
        for i, text in enumerate(rendered.texts(lexicon(world, code))):
            words = rendered.words[rendered.offsets[i] : rendered.offsets[i + 1]]
            rows.append((i, code, text.replace(JOINER, "-"), " ".join(map(gloss, words))))
    return pd.DataFrame(rows, columns=["sentence", "language", "text", "gloss"])


def markdown(rows: Iterable[Sequence[Any]], header: Sequence[str]) -> str:
    """Return a Markdown table; numbers with decimals are shown with two."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)


def _cell(value: Any) -> str:
    text = f"{value:.2f}" if isinstance(value, float) else str(value)
    return text.replace("|", "\\|")
