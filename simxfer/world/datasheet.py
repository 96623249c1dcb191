"""The data sheet of the embedded world, in the order of Gebru et al. 2021 (Datasheets for Datasets, CACM 64(12)).

    python -m simxfer.world.datasheet runs/default --out docs/world.md

Every number is computed: from the declarations of the world, from its text and examples, from the cards of the
shipped encoders, and, in one section that is set off by `RUN_BEGINS` and `RUN_ENDS`, from a run's report.
"""

import argparse
import re
import sys
from itertools import groupby
from pathlib import Path

from simxfer.common.errors import InputError
from simxfer.tasks.world import WORLD_TASKS
from simxfer.world import LANGUAGES, PIVOT, VERSION, WORLDS, describe, examples, true_distance
from simxfer.world.corpus import FREE_ORDER, KIND_SHARES, MAX_CLAUSES
from simxfer.world.describe import markdown
from simxfer.world.languages import COMPONENTS, MINIMAL_PAIRS, SWITCHES, differing_switches
from simxfer.world.lexicon import SUFFIXES, lexicon
from simxfer.world.meanings import TEST_SHARE
from simxfer.world.measured import (
    RUN_BEGINS,
    RUN_ENDS,
    encoders_section,
    run_section,
    tokenizer_section,
    trials_section,
)
from simxfer.world.nli import CUE_SHARE
from simxfer.world.ontology import (
    CLASS_SIZE,
    GROUP_OF,
    GROUPS,
    HOMONYMS,
    LOANS_PER_CLASS,
    N_CONCEPTS,
    N_NOUNS,
)


def datasheet(run: Path | None = None) -> str:
    """Return the sheet as Markdown.

    Args:
        run: run directory with a report; without one the section of what was found is left out.

    Raises:
        InputError: the run has no report.
    """
    parts = [_head(), _motivation(), _languages(), _lexicon(), _tasks(), _sentences(), _collection()]
    parts += [
        tokenizer_section(),
        encoders_section(),
        _uses(),
        *([run_section(run)] if run else []),
        _limits(),
        _rest(),
    ]
    return "\n\n".join(parts) + "\n"


def without_run(text: str) -> str:
    """Return a sheet without its section from a run."""
    return re.sub(rf"{RUN_BEGINS}.*?{RUN_ENDS}\n\n", "", text, flags=re.DOTALL)


def _head() -> str:
    return (
        "# The embedded world: data sheet\n\n"
        "Written by `python -m simxfer.world.datasheet RUN --out docs/world.md`; do not edit. "
        "Order of sections after Gebru et al. 2021."
    )


def _motivation() -> str:
    return (
        "## Motivation\n\n"
        "A small universe of artificial languages on which a transfer grid trains in minutes, offline, with *known* "
        "distances between languages and *planted* effects between tasks. It is the positive control of the "
        "statistics: effects that were planted must be found, and absent ones must not. Precedents: Dufter and "
        "Schütze 2020; K et al. 2020; Deshpande et al. 2022; White and Cotterell 2021."
    )


def _languages() -> str:
    rows = [
        (
            code,
            language.family,
            language.parent or "",
            "; ".join(f"{switch}={getattr(language, switch)}" for switch in differing_switches(code)),
            *(true_distance(code)[name] for name in (*COMPONENTS, "total")),
        )
        for code, language in LANGUAGES.items()
    ]
    return (
        "## Composition\n\n### Languages\n\n"
        f"{len(LANGUAGES)} languages: `{PIVOT}`, {len(MINIMAL_PAIRS)} minimal pairs that differ from it in exactly one "
        f"of {len(SWITCHES)} switches, and {len(LANGUAGES) - len(MINIMAL_PAIRS) - 1} that combine them. Distances to "
        "the pivot are declared in code, each from 0 to 1, and were fixed before any encoder was trained; `total` is "
        "the mean of its components. `cognacy` is the share of the parent's roots that is inherited.\n\n"
        + markdown(rows, ["language", "family", "parent", "differs from the pivot", *COMPONENTS, "total"])
    )


def _lexicon() -> str:
    groups = [(name, len(list(members))) for name, members in groupby(GROUP_OF)]
    rows = [
        (code, *(_same_forms(world, code, n) for world in WORLDS for n in (N_CONCEPTS, N_NOUNS)))
        for code in LANGUAGES
    ]
    header = [f"world {w}, {name}" for w in WORLDS for name in ("all", "nouns")]
    return (
        "### Lexicon\n\n"
        f"{N_CONCEPTS} concepts and {len(SUFFIXES)} suffixes in each of {len(WORLDS)} worlds; a world is a lexicon and "
        "a set of selectional weights, which its languages share. Concepts by group: "
        + ", ".join(f"{name} {n}" for name, n in groups)
        + f". {LOANS_PER_CLASS} of the {CLASS_SIZE} nouns of a class are loans, written alike everywhere, as are names "
        f"and digits; {len(HOMONYMS)} names are homonyms of a person's. Forms that equal the pivot's, of {N_CONCEPTS} "
        f"concepts and of the {N_NOUNS} common nouns:\n\n" + markdown(rows, ["language", *header])
    )


def _same_forms(world: int, code: str, n: int) -> int:
    here, there = lexicon(world, code).forms[:n], lexicon(world, PIVOT).forms[:n]
    return sum(a == b for a, b in zip(here, there, strict=True))


def _tasks() -> str:
    rows = [
        (
            task.name,
            task.kind.replace("_", " "),
            " and ".join(task.roles),
            dict(task.sizes).get("train", 0),
            task.size("test"),
            task.metric,
            ", ".join(task.subsets),
            task.description,
        )
        for task in WORLD_TASKS
    ]
    header = ["task", "kind", "role", "train", "test", "score", "scored apart", "skill"]
    shown = [(task.name, *_an_example(task.name)) for task in WORLD_TASKS]
    return (
        f"### Tasks\n\n{len(WORLD_TASKS)} tasks; sizes are examples a language. Test sets are translations of each "
        "other, but for those of w-is-a-mix and w-is-b-mix, which are about other nouns in other languages. Everything "
        "is drawn anew for every draw (a run's seed), the attributes A and B of the nouns included; "
        "inside each class of nouns A, B and seen/unseen are balanced.\n\n"
        + markdown(rows, header)
        + "\n\nOne test example of each:\n\n"
        + markdown(shown, ["task", "input", "answer"])
    )


def _an_example(name: str) -> tuple[str, str]:
    task = next(task for task in WORLD_TASKS if task.name == name)
    code = PIVOT if PIVOT in task.languages else task.languages[0]
    example = examples(WORLDS[0], name, "test", code, n=1)[0]
    answer = {
        "classification": lambda e: e.label,
        "multiple_choice": lambda e: e.choices[e.label],
        "span": lambda e: e.answers[0][1],
        "tagging": lambda e: " ".join(e.tags),
        "retrieval": lambda e: e.translation,
    }[task.kind](example)
    return "<br>".join(example.texts), answer


def _sentences() -> str:
    table = describe(WORLDS[0])["sentences"]
    parts = []
    for number in (table["sentence"].min(), table["sentence"].max()):
        rows = table[table["sentence"] == number]
        parts.append(markdown(rows[["language", "text", "gloss"]].to_numpy(), ["language", "text", "gloss"]))
    return (
        f"### Sentences with glosses\n\nAn event of world {WORLDS[0]} and a question about it, in every language; a "
        "hyphen stands for the invisible joiner of stem and suffix.\n\n" + "\n\n".join(parts)
    )


def _collection() -> str:
    kinds = ", ".join(f"{name} {share:.0%}" for name, share in KIND_SHARES.items())
    return (
        "## Collection\n\n"
        f"Generated; nobody's text, nobody's data. Pretraining text: documents of 2 to {MAX_CLAUSES} clauses about one "
        f"event ({kinds}), comparable and not parallel; {FREE_ORDER:.0%} of the clauses take a random basic order in "
        "every language. Events are drawn from sparse selectional weights. One core (verb, agent, patient) in "
        f"{TEST_SHARE} is for testing, in all tasks of a world. The attributes A and B occur in no text. "
        f"In `w-xnli-cue` the word order of the hypothesis agrees with the label in {CUE_SHARE:.0%} of the pivot's "
        "training examples and is independent of it in every test set; in `w-xnli-particle` so does its last word, "
        "which the pivot alone has.\n\n"
        "Everything derives from named random streams: the same world, seed and draw give the same bytes on any "
        f"number of workers. Version of the generator: {VERSION}."
    )


def _uses() -> str:
    return (
        "## Uses\n\n"
        "To check that an analysis finds what is there; to try a grid, a method or a measure before it costs a GPU. "
        "Not for claims about natural languages: effect sizes here say nothing about theirs."
    )


def _limits() -> str:
    return (
        "## Limits\n\n"
        "- Planted knowledge was made to cross languages through nouns of the same form; "
        f"{CLASS_SIZE - LOANS_PER_CLASS} of the {CLASS_SIZE} nouns of a class can be translated, scored apart.\n"
        f"- {len(GROUPS['verb'])} verbs, {N_NOUNS} nouns, clauses without embedding, tense or agreement: a score near "
        "the ceiling says little about a skill.\n"
        "- The unit of replication is the encoder and the assignment of attributes to nouns, not the sentence.\n"
        "- Languages of a family are related: correlations over languages are not over independent cases.\n"
        "- The default grid was changed after runs of it had been looked at (number of encoders, seeds of the order "
        "block, steps and test sizes, pairs of tasks), and `typology` was added after it had left the script switch "
        "unresolved: their p values are not those of a design fixed in advance.\n" + trials_section()
    )


def _rest() -> str:
    licences = ", ".join(sorted({task.licence for task in WORLD_TASKS}))
    return (
        f"## Distribution and maintenance\n\nGenerator, examples and encoders: {licences}, as the project. The version "
        "is raised whenever a byte of corpus or examples changes, and a test holds the digest of its bytes."
    )


def main() -> None:
    """Write the sheet to a file or to standard output."""
    parser = argparse.ArgumentParser(description="Write the data sheet of the embedded world.")
    parser.add_argument("run", type=Path, help="run directory with a report")
    parser.add_argument("--out", type=Path, help="file to write; standard output without")
    arguments = parser.parse_args()
    try:
        text = datasheet(arguments.run)
    except InputError as error:
        sys.exit(f"datasheet: {error}")
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
