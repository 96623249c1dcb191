"""Robustness: what perturbed test inputs cost, paired by example.

The error is over test examples: models and languages are those at hand. What a perturbation really changed, and the
questions that stayed clean because their answer was hit, stand beside the drop.
"""

import pandas as pd

from analyses.inference.multiplicity import holm
from analyses.inference.result import Inference
from analyses.outcomes import CLEAN
from analyses.questions.answer import Answer, unanswerable
from analyses.questions.replicates import replicate_forest
from analyses.questions.scores import TEST, main_scores
from analyses.questions.wording import count, effect, listed
from analyses.robustness import paired_drop
from analyses.run import Run
from simxfer.schema.tables import ANSWERS_HIT, WORDS, WORDS_CHANGED

NAME, TITLE = "robustness", "Robustness"
QUESTION = "How many points are lost on perturbed test inputs?"
WHERE = ["target", "perturbation"]


def answer(run: Run) -> Answer | None:
    """Answer from a run with perturbed scores; None for a run without."""
    if (run.results["perturbation"] == CLEAN).all():
        return None
    examples = _examples(run)
    if set(examples["perturbation"]) <= {CLEAN}:
        why = "The run cannot tell: it holds perturbed scores, but no scores of single examples to pair."
        return unanswerable(NAME, TITLE, QUESTION, why)
    overall = paired_drop(examples, by=())
    overall["p_holm"] = holm(overall["p"])
    models = paired_drop(examples, by=("stage",))
    tests = {
        (row["target"], row["perturbation"]): _inference(row, models) for row in overall.to_dict("records")
    }
    by_language = paired_drop(examples, by=("language",)).merge(_reach(run, examples), how="left")
    tables = {
        "Robust drop (points)": _shown(overall),
        "Robust drop by language (points), and what was changed": _shown(by_language),
    }
    if examples["intermediate"].nunique() > 1:
        tables["Robust drop by intermediate (points)"] = _shown(paired_drop(examples, by=("intermediate",)))
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=_sentence(overall, tests),
        tables=tables,
        inferences={", ".join(where): test for where, test in tests.items()},
        figures=(
            replicate_forest(
                {(*where, ""): test for where, test in tests.items()},
                name="robustness",
                title="Clean score minus perturbed score",
                caption="Means over languages and models, intervals over test examples; faint dots are models.",
                x="robust drop, points",
            ),
        ),
        what_would_change="More test examples narrow the intervals; other models and languages are not drawn from.",
        not_shown=(
            "What other models would lose: the error is over test examples, with the models at hand.",
            "That equal strengths are equal damage: the words really changed differ by language and script.",
        ),
        flags=_flags(overall),
    )


def _examples(run: Run) -> pd.DataFrame:
    """Return the example scores of the main setting, each with its intermediate; controls are left out."""
    scores = main_scores(run)
    scores = scores[(scores["split"] == TEST) & ~scores["control"]]
    checkpoint = ["stage", "target", "selection"]
    models = scores[[*checkpoint, "intermediate"]].drop_duplicates(checkpoint)
    return run.examples.merge(models, on=checkpoint)


def _inference(row: dict, models: pd.DataFrame) -> Inference:
    mine = models[(models["target"] == row["target"]) & (models["perturbation"] == row["perturbation"])]
    columns = ("low", "high", "p", "se", "df")
    return Inference(
        procedure="paired difference over examples",
        null="perturbed inputs score as clean ones",
        table=pd.DataFrame(
            [{"term": "clean minus perturbed", "estimate": row["robust_drop"]} | {k: row[k] for k in columns}]
        ),
        counts={"examples": row["n_examples"], "languages": row["n_languages"], "models": row["n_stages"]},
        distribution=mine["robust_drop"].to_numpy(float),
        notes=("an example is one unit in all languages and models",),
        references=("Student 1908",),
    )


def _reach(run: Run, examples: pd.DataFrame) -> pd.DataFrame:
    """Return words really changed (%) and questions that stayed clean by target, perturbation and language."""
    where = [*WHERE, "language"]
    checkpoint = ["stage", "selection", *where]
    scored = run.results.merge(examples[checkpoint].drop_duplicates(), on=checkpoint)
    whole = ~scored["split"].str.contains("/") & (scored["perturbation"] != CLEAN)
    scored = scored[whole].drop_duplicates(checkpoint)
    changed, words, hit = (_counted(scored["flags"], name) for name in (WORDS_CHANGED, WORDS, ANSWERS_HIT))
    scored = scored.assign(words_changed_percent=100 * changed / words, answers_hit=hit.fillna(0))
    return scored.groupby(where, sort=False)[["words_changed_percent", "answers_hit"]].mean().reset_index()


def _counted(flags: pd.Series, name: str) -> pd.Series:
    """Return the number that a flag `name=number` says, missing where it does not stand."""
    return flags.str.extract(rf"(?:^|;){name}=(\d+)(?:;|$)", expand=False).astype(float)


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    table = table.drop(columns=["se", "df"])
    return table if table["n_unpaired"].any() else table.drop(columns="n_unpaired")


def _sentence(overall: pd.DataFrame, tests: dict[tuple[str, str], Inference]) -> str:
    worst = max(tests, key=lambda where: tests[where].estimate)
    shown = overall[(overall["p_holm"] < 0.05) & (overall["robust_drop"] > 0)]
    return (
        f"The largest loss is {effect(tests[worst])}, of {' under '.join(worst)}; a loss is shown in {len(shown)} of "
        f"{count(len(overall), 'pair')} of target and perturbation (Holm over all)."
    )


def _flags(overall: pd.DataFrame) -> tuple[str, ...]:
    uneven = [str(target) for target, rows in overall.groupby("target") if rows["n_languages"].nunique() > 1]
    text = "perturbations are averaged over different languages, as not all are available in each: "
    return (text + listed(uneven),) if uneven else ()
