"""How close are intermediate texts to a target's texts in each language, in meaning and in subwords?

Values only, no test: what they explain is asked elsewhere. The raw cosine of English texts and texts of a language is
high where they are about the same and where the encoder covers the language well; three columns tell the two apart:
the cosine after each language's mean is taken away, what translations reach, and how far texts of the language spread.
"""

import pandas as pd

from analyses.figures.figure import Figure
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.texts import sentence_embeddings
from analyses.questions.wording import count, listed, number
from analyses.run import Run
from analyses.similarity import (
    Embeddings,
    encoder_coverage,
    task_similarities,
    tokenizer_profile,
)
from simxfer.tasks.intermediate import NONE

NAME, TITLE = "meaning", "Similarity by language"
QUESTION = "How close are the intermediates' texts to a target's texts in each language?"
RAW, CENTRED = "mean_cosine", "mean_cosine_centred"
SUBWORDS = ("subword_js", "subword_jaccard", "subword_coverage")


def answer(run: Run) -> Answer | None:
    """Answer from a run with intermediates and real languages beside the pivot; None for any other."""
    intermediates = [name for name in run.results["intermediate"].unique() if name != NONE]
    if not intermediates or run.samples.empty or run.samples["language"].str.startswith("x-").all():
        return None
    read = sentence_embeddings(run)
    if read is None:
        why = "The report cannot tell: no sentence encoder for these languages is installed; see `simxfer doctor`."
        return unanswerable(NAME, TITLE, QUESTION, why)
    pairs = _pairs(run, read, intermediates)
    covered = _covered(run, read)
    abroad = pairs[pairs["language"] != run.pivot].dropna(subset=[CENTRED])
    if abroad.empty:
        why = (
            "The run cannot tell: no other language that the sentence encoder knows has texts of several tasks, whose "
            "mean could be taken away."
        )
        return unanswerable(NAME, TITLE, QUESTION, why)
    model_based = read.checkpoint in run.encoders
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(abroad, read.checkpoint, model_based),
        findings=(_coverage_finding(abroad, covered), *_lexical_finding(abroad, covered)),
        tables={
            "Similarity of intermediates' and targets' texts by language": pairs,
            "How encoder and tokenizers cover the languages": covered,
        },
        figures=tuple(
            _figure(*rows) for rows in pairs.dropna(subset=[CENTRED]).groupby("target", sort=False)
        ),
        what_would_change="Another sentence encoder: similarity in meaning is what one encoder takes it to be.",
        not_shown=(
            "That similar texts help: gains are read against similarity under its own question.",
            "Closeness in meaning from the raw cosine alone: it is high as well where a language is well covered.",
        ),
        flags=_flags(run, read, model_based),
    )


def _pairs(run: Run, read: Embeddings, intermediates: list[str]) -> pd.DataFrame:
    """Return one row an intermediate, target and language, a column a measure; subwords mean over tokenizers."""
    found = task_similarities(
        run.samples,
        embeddings=[read],
        subwords=run.subwords,
        intermediates=intermediates,
        measures=[RAW, CENTRED, *SUBWORDS],
    )
    keys = ["a", "b", "language"]
    table = found.table.groupby([*keys, "measure"], sort=False)["value"].mean().unstack("measure")
    names = [RAW, CENTRED, *(name for name in SUBWORDS if name in table)]
    table = table.reindex(columns=names).dropna(subset=[RAW]).reset_index()
    return table.rename(columns={"a": "intermediate", "b": "target"})


def _covered(run: Run, read: Embeddings) -> pd.DataFrame:
    """Return how the encoder treats the languages of each target, and how each tokenizer cuts them."""
    coverage = encoder_coverage(read, run.pivot).drop(columns="checkpoint")
    profile = tokenizer_profile(run.subwords) if len(run.subwords) else pd.DataFrame()
    if profile.empty:
        return coverage
    tests = profile[profile["split"] == "test"]
    cut = tests.groupby(["task", "language"], sort=False)[["fertility", "unknown_rate"]].mean().reset_index()
    return cut.merge(coverage, on=["task", "language"], how="left")


def _sentence(abroad: pd.DataFrame, encoder: str, model_based: bool) -> str:
    rows = abroad.sort_values(CENTRED, kind="stable")
    ends = [f"{number(row[CENTRED])} ({row['intermediate']} to {row['target']} in {row['language']})"
            for row in (rows.iloc[-1].to_dict(), rows.iloc[0].to_dict())]  # fmt: skip
    kind = "model-based, for the run trains this encoder" if model_based else "semantic"
    return (
        f"Not judged, values only: through {encoder} ({kind}), each language's mean taken away, the cosine of the "
        f"mean texts over {count(len(rows), 'pair')} of intermediate and target in a language goes from {ends[1]} to "
        f"{ends[0]}; raw from {number(rows[RAW].min())} to {number(rows[RAW].max())}."
    )


def _coverage_finding(abroad: pd.DataFrame, covered: pd.DataFrame) -> str:
    """Say how far the raw and the centred cosine go with what translations reach, over targets and languages."""
    by_language = abroad.groupby(["target", "language"])[[RAW, CENTRED]].mean().reset_index()
    data = by_language.merge(covered, left_on=["target", "language"], right_on=["task", "language"])
    data = data.dropna(subset=["raw"])
    if data["language"].nunique() < 4:
        return (
            "Close in meaning or well covered cannot be told apart here: fewer than 4 languages have translations of "
            "the pivot's test texts."
        )
    r = {name: data[name].corr(data["raw"], method="spearman") for name in (RAW, CENTRED)}
    return (
        f"Over {count(len(data), 'test set')} with translations, the raw cosine goes with the "
        f"cosine that translations reach by rank r = {number(r[RAW])}, the centred one by {number(r[CENTRED])}: that "
        "much of it is how well the encoder covers a language, not what the texts are about."
    )


def _lexical_finding(abroad: pd.DataFrame, covered: pd.DataFrame) -> tuple[str, ...]:
    if "subword_js" not in abroad or "fertility" not in covered:
        return ()
    by_language = abroad.groupby("language")["subword_js"].mean().sort_values()
    unknown = covered.groupby("language")["unknown_rate"].mean()
    lost = [f"{language} ({number(100 * rate, 1)} %)" for language, rate in unknown.items() if rate > 0.01]
    return (
        f"Subwords (1 - Jensen-Shannon divergence): nearest {by_language.index[-1]} at "
        f"{number(by_language.iloc[-1])}, farthest {by_language.index[0]} at {number(by_language.iloc[0])}; more than "
        f"1 % unknown subwords: {listed(lost)}.",
    )


def _flags(run: Run, read: Embeddings, model_based: bool) -> tuple[str, ...]:
    tested = run.samples.loc[run.samples["split"] == "test", "language"].unique()
    unread = sorted(set(tested) - read.languages)
    return (
        *([f"{read.checkpoint} was not trained on {listed(unread)}: left out"] if unread else []),
        *(["the sentence encoder is an encoder that the run trains"] if model_based else []),
    )


def _figure(target: object, rows: pd.DataFrame) -> Figure:
    names = {"language": "row", "intermediate": "column", CENTRED: "value"}
    return Figure(
        name=f"meaning-{target}",
        kind="heatmap",
        title=f"Similarity in meaning to the texts of {target} by language",
        caption="Cosine of the mean embeddings of the intermediate's training texts and the target's texts in the "
        "language, each language's mean taken away; range -1 to 1.",
        frame=rows.rename(columns=names)[["row", "column", "value"]],
        x="similarity, centred",
        zero=0.0,
    )
