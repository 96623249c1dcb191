"""Multiple choice, mostly commonsense: HellaSwag, SWAG, Cosmos QA, CommonsenseQA, Social IQa, COPA and XCOPA."""

from typing import Any

from simxfer.tasks.record import Files, Hub, Kind, Task
from simxfer.tasks.shapes import codes, letter_index

Row = dict[str, Any]

XCOPA_LANGUAGES = codes("en et ht id it qu sw ta th tr vi zh")

_HUB_SPLITS = {"train": "train", "dev": "validation", "test": "test"}
_COPA_QUESTIONS = {"cause": "What was the cause?", "effect": "What was the effect?"}


def hellaswag(row: Row) -> Row:
    """The context, and the four endings of its last sentence."""
    return {
        "id": row.get("ind"),
        "context": row["ctx"],
        "choices": row["endings"],
        "label": _given(row, "label"),
    }


def swag(row: Row) -> Row:
    """A sentence and the beginning of the next, and four endings of that."""
    return {
        "id": row.get("video-id") and f"{row['video-id']}:{row['fold-ind']}",
        "context": f"{row['sent1']} {row['sent2']}",
        "choices": [row[f"ending{i}"] for i in range(4)],
        "label": _given(row, "label"),
    }


def cosmosqa(row: Row) -> Row:
    """A text and a question about it, and four answers."""
    return {
        "id": row["id"],
        "context": f"{row['context']} {row['question']}",
        "choices": [row[f"answer{i}"] for i in range(4)],
        "label": _given(row, "label"),
    }


def commonsenseqa(row: Row) -> Row:
    """A question and five answers: nested as its authors publish it, or flat as on the hub."""
    if isinstance(row["question"], dict):
        question = row["question"]["stem"]
        choices = {choice["label"]: choice["text"] for choice in row["question"]["choices"]}
    else:
        question = row["question"]
        choices = dict(zip(row["choices"]["label"], row["choices"]["text"], strict=True))
    texts = [choices[letter] for letter in sorted(choices)]
    return {
        "id": row["id"],
        "context": question,
        "choices": texts,
        "label": letter_index(row.get("answerKey")),
    }


def socialiqa(row: Row) -> Row:
    """A situation and a question about it, and three answers; the hub numbers the right one from 1."""
    choices = [row[f"answer{letter}"] for letter in "ABC"]
    label = row.get("label") or None  # the hub's test set has an empty label
    gold = letter_index(row.get("correct")) if label is None else int(label) - 1
    return {"context": f"{row['context']} {row['question']}", "choices": choices, "label": gold}


def copa(row: Row) -> Row:
    """A premise and what is asked about it, in English in every language, and two sentences.

    COPA's own XML numbers its test items from 501 and the right sentence from 1, SuperGLUE and XCOPA both from 0.
    """
    if "asks-for" in row:
        number = int(row["id"]) - 1
        row = {
            "idx": number % 500,
            "premise": row["p"],
            "question": row["asks-for"],
            "choice1": row["a1"],
            "choice2": row["a2"],
            "label": int(row["most-plausible-alternative"]) - 1,
        }
    if row["question"] not in _COPA_QUESTIONS:
        raise ValueError(f"the question is {row['question']!r}, expected {' or '.join(_COPA_QUESTIONS)}")
    question = _COPA_QUESTIONS[row["question"]]
    return {
        "id": row.get("idx"),
        "context": f"{row['premise']} {question}",
        "question": question,
        "choices": [row["choice1"], row["choice2"]],
        "label": _given(row, "label"),
    }


def _super_glue_copa(row: Row) -> Row:
    """COPA as the hub's SuperGLUE has it: the label is the name of a column."""
    return copa({**row, "label": {"choice1": 0, "choice2": 1}.get(row["label"])})


def _given(row: Row, column: str) -> Any:
    """Return a label as found; an empty one is none."""
    return None if row.get(column) == "" else row.get(column)


def _task(name: str, description: str, files: Files, **fields: Any) -> Task:
    """Return the record of a task with training data of its own in English."""
    kind: Kind = "multiple_choice"
    own = {"training_data": (name,), "languages": ("en",), "train_languages": ("en",)}
    return Task(
        name=name, kind=kind, description=description, metrics=("accuracy",), files=files, **own | fields
    )


CHOICE_TASKS: tuple[Task, ...] = (
    _task(
        "hellaswag",
        "Sentence completion: pick the ending of an everyday description that a person would write, among endings made "
        "by a machine.",
        Files(
            format="table",
            paths={
                "train": ("hellaswag_train*.jsonl",),
                "dev": ("hellaswag_val*.jsonl",),
                "test": ("hellaswag_test*.jsonl",),
            },
            convert=hellaswag,
        ),
        hub=Hub(id="Rowan/hellaswag", splits=_HUB_SPLITS, convert=hellaswag),
        test_split="dev",
        sizes=(("train", 39_905), ("dev", 10_042), ("test", 10_003)),
        mean_characters=790,
        licence="MIT",
        citation="Zellers et al. 2019, HellaSwag: Can a machine really finish your sentence?, ACL",
    ),
    _task(
        "swag",
        "Sentence completion: pick what happens next in the description of a video scene.",
        Files(
            format="table",
            paths={"train": ("train.csv",), "dev": ("val.csv",), "test": ("test.csv",)},
            folders=("swagaf/data",),
            convert=swag,
        ),
        hub=Hub(id="allenai/swag", config="regular", splits=_HUB_SPLITS, convert=swag),
        test_split="dev",
        sizes=(("train", 73_546), ("dev", 20_006), ("test", 20_005)),
        licence="MIT",
        citation="Zellers et al. 2018, SWAG: Adversarial dataset for grounded commonsense inference, EMNLP",
    ),
    _task(
        "cosmosqa",
        "Reading comprehension of personal narratives: questions about causes, effects and motives that the text does "
        "not spell out; four answers.",
        Files(
            format="table",
            paths={"train": ("train.csv",), "dev": ("valid.csv",), "test": ("test.jsonl",)},
            folders=("cosmos_qa",),
            convert=cosmosqa,
        ),
        hub=Hub(id="allenai/cosmos_qa", splits=_HUB_SPLITS, convert=cosmosqa),
        test_split="dev",
        sizes=(("train", 25_262), ("dev", 2_985), ("test", 6_963)),
        mean_characters=1757,
        licence="CC BY 4.0",
        citation="Huang et al. 2019, Cosmos QA: Reading comprehension with commonsense reasoning, EMNLP",
    ),
    _task(
        "commonsenseqa",
        "Questions about everyday concepts and their relations, without a text; five answers.",
        Files(
            format="table",
            paths={
                "train": ("train_rand_split.jsonl",),
                "dev": ("dev_rand_split.jsonl",),
                "test": ("test_rand_split_no_answers.jsonl",),
            },
            folders=("commonsense_qa",),
            convert=commonsenseqa,
        ),
        hub=Hub(id="tau/commonsense_qa", splits=_HUB_SPLITS, convert=commonsenseqa),
        test_split="dev",
        sizes=(("train", 9_741), ("dev", 1_221), ("test", 1_140)),
        mean_characters=392,
        licence="MIT",
        citation="Talmor et al. 2019, CommonsenseQA, NAACL",
    ),
    _task(
        "socialiqa",
        "Questions about motives, reactions and next steps of people in social situations; three answers.",
        Files(
            format="table",
            paths={
                "train": ("socialIQa_v1.4_trn.jsonl",),
                "dev": ("socialIQa_v1.4_dev.jsonl",),
                "test": ("socialIQa_v1.4_tst.jsonl",),
            },
            folders=("siqa", "social_i_qa"),
            convert=socialiqa,
        ),
        hub=Hub(id="allenai/social_i_qa", splits={"train": "train", "dev": "validation"}, convert=socialiqa),
        sizes=(("train", 33_410), ("dev", 1_954), ("test", 2_224)),
        mean_characters=387,
        licence="CC BY 4.0",
        citation="Sap et al. 2019, Social IQa: Commonsense reasoning about social interactions, EMNLP",
    ),
    _task(
        "copa",
        "Choice of plausible alternatives: pick the more plausible cause or effect of a premise, in English.",
        Files(
            format="table",
            paths={
                "train": ("train.jsonl", "train.en.jsonl", "train-en.jsonl"),
                "dev": ("val.jsonl", "val.en.jsonl", "val-en.jsonl"),
                # SuperGLUE's form, which XTREME-R takes, has no gold; COPA's own XML has.
                "test": ("copa-test.xml", "test.jsonl", "test.en.jsonl", "test-en.jsonl"),
            },
            folders=("COPA", "xcopa/copa_en", "xcopa"),
            convert=copa,
        ),
        hub=Hub(id="aps/super_glue", config="copa", splits=_HUB_SPLITS, convert=_super_glue_copa),
        sizes=(("train", 400), ("dev", 100), ("test", 500)),
        mean_characters=174,
        licence="BSD-2-Clause",
        citation="Roemmele et al. 2011, Choice of plausible alternatives, AAAI Spring Symposium",
    ),
    _task(
        "xcopa",
        "Cross-lingual choice of plausible alternatives: COPA translated and re-annotated in 11 languages; English is "
        "COPA.",
        Files(
            format="table",
            paths={
                split: (
                    f"copa_{{language}}/copa-{split}.xml",
                    f"data/{{language}}/{name}.{{language}}.jsonl",
                    f"{name}.{{language}}.jsonl",
                    f"{name}-{{language}}.jsonl",
                    f"copa_{{language}}/{name}-{{language}}.jsonl",
                )
                for split, name in (("dev", "val"), ("test", "test"))
            },
            convert=copa,
        ),
        hub=Hub(
            id="cambridgeltl/xcopa",
            config="{language}",
            splits={"dev": "validation", "test": "test"},
            lacks=("en",),
            convert=copa,
        ),
        training_data=("socialiqa", "copa"),
        languages=XCOPA_LANGUAGES,
        pivot_task="copa",
        trains_on=("socialiqa", "copa"),
        roles=("target",),
        sizes=(("dev", 100), ("test", 500)),
        mean_characters=174,
        licence="CC BY 4.0 (XCOPA), BSD-2-Clause (COPA)",
        citation="Ponti et al. 2020, XCOPA: A multilingual dataset for causal commonsense reasoning, EMNLP",
    ),
)
