"""The measured sections of the data sheet: tokenizers, encoders, what a run found, trials of a task."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tokenizers import Tokenizer

from simxfer.common.errors import InputError
from simxfer.common.shipped import data_path
from simxfer.world.corpus import corpus_words
from simxfer.world.describe import markdown
from simxfer.world.languages import LANGUAGES
from simxfer.world.lexicon import WORLDS
from simxfer.world.tokenizer import MAX_LENGTH, word_pieces

RUN_BEGINS, RUN_ENDS = "<!-- from a run: begin -->", "<!-- from a run: end -->"
TRIALS = Path(__file__).parents[2] / "docs" / "paws-trials.csv"
"""Trials of a paraphrase task; its last column says what made a row."""
CHOICE = Path(__file__).parents[2] / "docs" / "encoder-choice.csv"
"""The encoders' recipe beside other sizes and lengths."""
SOLVED = 85.0
"""Accuracy in points above which a trial counts as solved; chance is 50."""
_ABOUT_THE_WORLD = ("positive-control", "order", "switches", "zero-shot", "distance")
_FERTILITY_DOCUMENTS = 4096
_CURVE_POINTS = 5


def tokenizer_section() -> str:
    """Return vocabulary sizes and fertility."""
    sizes = ", ".join(f"{_shipped_tokenizer(world).get_vocab_size()} (world {world})" for world in WORLDS)
    by_world = [fertility(world) for world in WORLDS]
    rows = [(code, *(shares[code] for shares in by_world)) for code in LANGUAGES]
    return (
        "## Preprocessing\n\n"
        "Byte-pair encoding over all languages of a world, cut at blanks and between stem and suffix; "
        f"pieces: {sizes}; inputs of at most {MAX_LENGTH} subwords. Fertility (subwords a word, in "
        f"{_FERTILITY_DOCUMENTS} documents):\n\n"
        + markdown(rows, ["language", *(f"world {world}" for world in WORLDS)])
    )


def _shipped_tokenizer(world: int) -> Tokenizer:
    folder = next(card["folder"] for card in _cards() if card["world"] == world)
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def fertility(world: int) -> dict[str, float]:
    """Return the subwords a word of running text, by language."""
    tokenizer = _shipped_tokenizer(world)
    found = {}
    for code in LANGUAGES:
        _, lengths = word_pieces(tokenizer, world, code)
        documents = next(corpus_words(world, code, _FERTILITY_DOCUMENTS))
        found[code] = float(lengths[documents.sentences.words].mean())
    return found


def _cards() -> list[dict[str, Any]]:
    paths = sorted(data_path("encoders").glob("*/card.json"))
    return [{**json.loads(path.read_text()), "folder": path.parent} for path in paths]


def encoders_section() -> str:
    """Return recipe, cost and learning curves from the cards of the shipped encoders."""
    cards = _cards()
    recipe = ", ".join(f"{name} {value}" for name, value in cards[0]["recipe"].items())
    steps = [point["step"] for point in cards[0]["curve"]]
    shown = sorted({round(i) for i in np.geomspace(1, len(steps), _CURVE_POINTS)})
    rows = [
        (
            card["folder"].name,
            card["parameters"],
            f"{card['training_subwords']:,}",
            f"{sum(f.stat().st_size for f in card['folder'].iterdir()) / 1e6:.2f}",
            f"{card['cpu_seconds'] / 60:.1f}",
            *(
                f"{card['curve'][i - 1]['mlm_loss']:.2f} / {card['curve'][i - 1]['retrieval']:.2f}"
                for i in shown
            ),
        )
        for card in cards
    ]
    header = [
        "encoder",
        "parameters",
        "subwords",
        "MB",
        "CPU minutes",
        *(f"step {steps[i - 1]}" for i in shown),
    ]
    return (
        "### Encoders\n\n"
        f"{len(cards)} XLM-R encoders ({cards[0]['model']}) of {len(WORLDS)} worlds, made from scratch by masked "
        "language modelling; all pretraining seeds ship, none was picked. Recipe, of the pilot's size, with the steps "
        f"set on the first encoder's curve: {recipe}. `make world-encoders` makes them anew. Learning curve: MLM loss "
        "/ retrieval of the translation, share right, mean over languages.\n\n"
        + markdown(rows, header)
        + "\n\nRetrieval at the end, by language, over encoders:\n\n"
        + _final_retrieval(cards)
        + "\n\n"
        + _choice()
    )


def _choice() -> str:
    """Return the recipe beside other sizes and lengths, compared after the fact."""
    tried = pd.read_csv(CHOICE)
    return (
        "The recipe beside other sizes and lengths, one seed of one world, compared after the encoders had shipped "
        "and results on them had been seen (`docs/encoder-choice.csv`, made by `docs/encoder_choice.py`; the first is "
        "the recipe; `retrieval_far` is the mean over languages that combine many switches):\n\n"
        + markdown(tried.astype(str).to_numpy().tolist(), tried.columns.tolist())
    )


def _final_retrieval(cards: list[dict[str, Any]]) -> str:
    frame = pd.DataFrame([card["curve"][-1]["retrieval_by_language"] for card in cards])
    rows = [(code, frame[code].mean(), frame[code].min(), frame[code].max()) for code in frame]
    return markdown(rows, ["language", "mean", "lowest", "highest"])


def run_section(run: Path) -> str:
    """Return what a run's report answered, in the report's own words and numbers."""
    path = run / "report" / "answers.json"
    if not path.is_file():
        raise InputError(f"{run} has no report ({path} is missing); run `simxfer report {run}` first")
    answers = json.loads(path.read_text(encoding="utf-8"))
    parts = [_one_answer(a) for a in answers if a["answered"] and a["name"] in _ABOUT_THE_WORLD]
    return "\n\n".join([RUN_BEGINS, f"### Found on the run `{run.name}`", *parts, RUN_ENDS])


def _one_answer(answer: dict[str, Any]) -> str:
    said = [answer["sentence"], *answer["findings"]]
    said += [f"Not shown: {sentence}" for sentence in answer["not_shown"]]
    text = f"**{answer['name']}**: {answer['question']}\n\n" + "\n".join(f"- {sentence}" for sentence in said)
    return text + "".join(_contrasts(table) for table in answer["tables"].values() if _planted(table))


def _planted(table: list[dict[str, Any]]) -> bool:
    return bool(table) and {"planted", "verdict"} <= set(table[0])


def _contrasts(table: list[dict[str, Any]]) -> str:
    rows = [
        (
            f"{row['target']}-*",
            row["where"],
            row["contrast"],
            row["planted"],
            f"{row['estimate']:+.1f}",
            "" if row["low"] is None else f"{row['low']:.1f} to {row['high']:.1f}",
            row["replicates"],
            row["verdict"],
        )
        for row in table
    ]
    header = ["target", "where", "contrast", "planted", "points", "95 % interval", "replicates", "verdict"]
    return "\n\n" + markdown(rows, header)


def trials_section() -> str:
    """Return the trials of the paraphrase task that was left out."""
    settings = ["setting", "examples", "steps", "batch", "learning_rate", "made_by"]
    rows = [
        (*map(str, values), f"{(found > SOLVED).sum()} of {len(found)}", ", ".join(f"{y:.0f}" for y in found))
        for values, found in pd.read_csv(TRIALS).groupby(settings, sort=False)["accuracy"]
    ]
    header = [
        "training",
        "examples",
        "steps",
        "batch",
        "learning rate",
        "made by",
        "solved",
        "accuracy by run",
    ]
    return (
        "- Paraphrase against role swap is no task of this world: some runs learn it, others stay at chance. Tried on "
        f"shipped encoders (`docs/paws-trials.csv`; accuracy in the pivot, chance 50, solved above {SOLVED:.0f}):\n\n"
        + markdown(rows, header)
    )
