"""Extractive question answering: SQuAD in English; XQuAD, MLQA and TyDiQA-GoldP across languages.

XQuAD's English is part of SQuAD v1.1's dev split, and TyDiQA-GoldP's dev split is the reported one: select models for
both on held-out training data. MLQA is scored with the language of the context.
"""

from typing import Any

from simxfer.tasks.record import Files, Hub, Task
from simxfer.tasks.shapes import codes

MLQA_LANGUAGES = codes("en ar de es hi vi zh")
TYDIQA_LANGUAGES = {
    "en": "english",
    "ar": "arabic",
    "bn": "bengali",
    "fi": "finnish",
    "id": "indonesian",
    "ko": "korean",
    "ru": "russian",
    "sw": "swahili",
    "te": "telugu",
}
XQUAD_LANGUAGES = codes("en ar de el es hi ro ru th tr vi zh")

_SQUAD = ("squad_f1", "exact_match")
_SQUAD_LICENCE = "CC BY-SA 4.0"


def _crossed(row: dict[str, Any]) -> dict[str, Any]:
    """Name a question by its language as well; same-language pairs are the task `mlqa`."""
    asked = row["question_language"]
    return {**row, "id": f"{asked}:{row['id']}", "subsets": (f"question-{asked}",)}


def _by_position(row: dict[str, Any]) -> dict[str, Any]:
    """Drop the ids of XTREME's form: it keeps only their last part, so that they collide (trap 1)."""
    return row if "-" in str(row["id"]) else {**row, "id": None}


def _hub_crossed(row: dict[str, Any]) -> dict[str, Any] | None:
    """Read the question's language off the configuration, mlqa.CONTEXT.QUESTION; drop same-language pairs."""
    _, context, asked = row["@config"].split(".")
    return None if asked == context else _crossed({**row, "question_language": asked})


def _realigned(row: dict[str, Any]) -> dict[str, Any]:
    """Move answers back by the blanks that the hub's loader stripped off the front of contexts, not off offsets."""
    starts = [
        row["context"].rfind(text, 0, start + len(text))
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True)
    ]
    return {**row, "answers": {"text": row["answers"]["text"], "answer_start": starts}}


_MLQA_HUB_SPLITS = {"dev": "validation", "test": "test"}

QUESTION_TASKS: tuple[Task, ...] = (
    Task(
        name="squad_v1",
        kind="span",
        description="Question answering: mark the answer to a question in a paragraph of Wikipedia that holds it.",
        metrics=_SQUAD,
        training_data=("squad_v1",),
        languages=("en",),
        train_languages=("en",),
        test_split="dev",
        files=Files(
            format="squad",
            paths={"train": ("train-v1.1*.json",), "dev": ("dev-v1.1*.json",)},
            folders=("squad", "squad_v1.1"),
        ),
        hub=Hub(id="rajpurkar/squad", config="plain_text", splits={"train": "train", "dev": "validation"}),
        sizes=(("train", 87_599), ("dev", 10_570)),
        mean_characters=972,
        licence=_SQUAD_LICENCE,
        citation="Rajpurkar et al. 2016, SQuAD: 100,000+ questions for machine comprehension of text, EMNLP",
    ),
    Task(
        name="squad_v2",
        kind="span",
        description="Question answering over Wikipedia paragraphs, where some questions have no answer in the "
        "paragraph and the system has to say so.",
        metrics=("squad2_f1", "squad2_exact_match"),
        training_data=("squad_v1", "squad_v2"),
        languages=("en",),
        train_languages=("en",),
        test_split="dev",
        unanswerable=True,
        files=Files(
            format="squad",
            paths={"train": ("train-v2.0*.json",), "dev": ("dev-v2.0*.json",)},
            folders=("squad", "squad_v2.0"),
        ),
        hub=Hub(id="rajpurkar/squad_v2", config="squad_v2", splits={"train": "train", "dev": "validation"}),
        sizes=(("train", 130_319), ("dev", 11_873)),
        mean_characters=867,
        licence=_SQUAD_LICENCE,
        citation="Rajpurkar et al. 2018, Know what you don't know: Unanswerable questions for SQuAD, ACL",
    ),
    Task(
        name="xquad",
        kind="span",
        selects_on="held-out",
        description="Cross-lingual question answering: paragraphs and questions of SQuAD v1.1, translated by people.",
        metrics=_SQUAD,
        training_data=("squad_v1",),
        languages=XQUAD_LANGUAGES,
        train_languages=("en",),
        trains_on=("squad_v1",),
        roles=("target",),
        files=Files(format="squad", paths={"test": ("xquad.{language}.json",)}),
        hub=Hub(id="google/xquad", config="xquad.{language}", splits={"test": "validation"}),
        sizes=(("test", 1_190),),
        mean_characters=866,
        licence="CC BY-SA 4.0",
        citation="Artetxe et al. 2020, On the cross-lingual transferability of monolingual representations, ACL",
    ),
    Task(
        name="mlqa",
        kind="span",
        selects_on="held-out",
        description="Multilingual question answering: questions and Wikipedia contexts in the same language, aligned "
        "across languages by what the contexts say.",
        metrics=("mlqa_f1", "mlqa_exact_match"),
        training_data=("squad_v1",),
        languages=MLQA_LANGUAGES,
        train_languages=("en",),
        trains_on=("squad_v1",),
        roles=("target",),
        parallel=False,
        files=Files(
            format="squad",
            paths={
                split: (
                    f"MLQA_V1/{split}/{split}-context-{{language}}-question-{{language}}.json",
                    f"{split}/{split}-context-{{language}}-question-{{language}}.json",
                )
                for split in ("dev", "test")
            },
            folders=("MLQA_V1",),
        ),
        hub=Hub(id="facebook/mlqa", config="mlqa.{language}.{language}", splits=_MLQA_HUB_SPLITS),
        sizes=(("dev", 1_148), ("test", 11_590)),  # English; others: 4,517 to 5,495 in test
        mean_characters=1090,
        licence="CC BY-SA 3.0",
        citation="Lewis et al. 2020, MLQA: Evaluating cross-lingual extractive question answering, ACL",
    ),
    Task(
        name="mlqa_cross",
        kind="span",
        selects_on="held-out",
        description="Cross-language question answering: the question is asked in another language than that of the "
        "context, whose language is the language of the score.",
        metrics=("mlqa_f1", "mlqa_exact_match"),
        training_data=("squad_v1",),
        languages=MLQA_LANGUAGES,
        train_languages=("en",),
        trains_on=("squad_v1",),
        roles=("target",),
        parallel=False,
        subsets=tuple(f"question-{language}" for language in MLQA_LANGUAGES),
        files=Files(
            format="squad",
            paths={
                split: (
                    f"MLQA_V1/{split}/{split}-context-{{language}}-question-{{other}}.json",
                    f"{split}/{split}-context-{{language}}-question-{{other}}.json",
                )
                for split in ("dev", "test")
            },
            folders=("mlqa", "MLQA_V1"),
            options={"file_name": r"-question-(?P<question_language>\w\w)\.json"},
            convert=_crossed,
        ),
        hub=Hub(
            id="facebook/mlqa", config="mlqa.{language}.*", splits=_MLQA_HUB_SPLITS, convert=_hub_crossed
        ),
        mean_characters=937,
        licence="CC BY-SA 3.0",
        citation="Lewis et al. 2020, MLQA: Evaluating cross-lingual extractive question answering (XLT and G-XLT), ACL",
    ),
    Task(
        name="tydiqa",
        kind="span",
        selects_on="held-out",
        description="TyDiQA gold passage: questions that people wrote in nine typologically diverse languages without "
        "knowing the answer, over a Wikipedia passage that holds it.",
        metrics=_SQUAD,
        training_data=("tydiqa",),
        languages=tuple(TYDIQA_LANGUAGES),
        train_languages=tuple(TYDIQA_LANGUAGES),
        parallel=False,
        test_split="dev",
        files=Files(
            format="squad",
            paths={
                "train": (
                    "language_specific_train/{language}_tydiqa_train.json",
                    "tydiqa-goldp-v1.1-train/tydiqa-goldp-v1.1-train.json",
                    "tydiqa-goldp-v1.1-train.json",
                    "tydiqa-goldp-v1.1-train/tydiqa.goldp.{bcp47}.train.json",
                    "xtreme_form_duplicate_ids/tydiqa.goldp.{bcp47}.train.json",
                ),
                "dev": (
                    "language_specific_dev/{language}_tydiqa_dev.json",
                    "tydiqa-goldp-v1.1-dev/tydiqa-goldp-dev-{language}.json",
                    "tydiqa-goldp-v1.1-dev/tydiqa.goldp.{bcp47}.dev.json",
                    "xtreme_form_unlabelled/tydiqa.goldp.{bcp47}.dev.json",
                ),
            },
            folders=("tydiqa-goldp",),
            codes=TYDIQA_LANGUAGES,
            options={"language_in_ids": True},
            convert=_by_position,
        ),
        hub=Hub(
            id="google-research-datasets/tydiqa",
            config="secondary_task",
            splits={"train": "train", "dev": "validation"},
            codes=TYDIQA_LANGUAGES,
            language_of=lambda row: str(row["id"]).partition("-")[0],
            convert=_realigned,
        ),
        sizes=(("train", 3_696), ("dev", 440)),
        mean_characters=671,
        licence="Apache-2.0",
        citation="Clark et al. 2020, TyDi QA: A benchmark for information-seeking question answering, TACL",
    ),
)
