"""Paraphrase identification: Quora question pairs, PAWS-X."""

from simxfer.tasks.record import Files, Hub, Task
from simxfer.tasks.shapes import codes, either

PAWSX_LANGUAGES = codes("en de es fr ja ko zh")

PARAPHRASE_TASKS: tuple[Task, ...] = (
    Task(
        name="qqp",
        kind="classification",
        description="Quora question pairs: tell whether two questions of users ask the same.",
        metrics=("accuracy",),
        training_data=("qqp",),
        languages=("en",),
        train_languages=("en",),
        labels=("not_duplicate", "duplicate"),
        spellings={"0": "not_duplicate", "1": "duplicate"},
        test_split="dev",  # GLUE keeps the labels of the test set
        files=Files(
            format="table",
            paths={
                "train": ("train.tsv", "16-*/train.tsv"),
                "dev": ("dev.tsv", "16-*/dev.tsv"),
                "test": ("test.tsv",),
            },
            folders=("QQP",),
            options={"header": ("question1",), "partial_rows": True},
            convert=either(
                text=("question1",),
                text_pair=("question2",),
                label=("is_duplicate", "label"),
                id=("id", "idx"),
            ),
        ),
        hub=Hub(
            id="nyu-mll/glue",
            config="qqp",
            splits={"train": "train", "dev": "validation", "test": "test"},
            columns={"text": "question1", "text_pair": "question2"},
        ),
        sizes=(("train", 363_846), ("dev", 40_430), ("test", 390_965)),
        mean_characters=120,
        licence="Quora's terms of service, non-commercial",
        citation="Iyer et al. 2017, First Quora dataset release: Question pairs; Wang et al. 2018, GLUE",
    ),
    Task(
        name="pawsx",
        kind="classification",
        description="Cross-lingual paraphrase adversaries from word scrambling: tell whether two sentences with nearly "
        "the same words mean the same.",
        metrics=("accuracy",),
        training_data=("pawsx",),
        languages=PAWSX_LANGUAGES,
        train_languages=PAWSX_LANGUAGES,
        labels=("not_paraphrase", "paraphrase"),
        spellings={"0": "not_paraphrase", "1": "paraphrase"},
        files=Files(
            format="table",
            paths={
                "train": ("{language}/train.tsv", "{language}/translated_train.tsv", "train-{language}.tsv"),
                "dev": ("{language}/dev_2k.tsv", "dev-{language}.tsv"),
                "test": ("{language}/test_2k.tsv", "test-{language}.tsv"),
            },
            folders=("x-final",),
            options={"columns": ("text", "text_pair", "label"), "header": ("sentence1",), "quoted": True},
            convert=either(
                text=("sentence1", "text"), text_pair=("sentence2", "text_pair"), label=("label",), id=("id",)
            ),
        ),
        hub=Hub(
            id="google-research-datasets/paws-x",
            config="{language}",
            splits={"train": "train", "dev": "validation", "test": "test"},
            columns={"text": "sentence1", "text_pair": "sentence2"},
        ),
        sizes=(("train", 49_401), ("dev", 2_000), ("test", 2_000)),
        mean_characters=227,
        licence="free for any use, credit to Google",
        citation="Yang et al. 2019, PAWS-X, EMNLP",
    ),
)
