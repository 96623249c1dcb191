"""Natural language inference: ANLI, SNLI, MNLI and their union in English, XNLI and AmericasNLI across languages."""

from dataclasses import replace

from simxfer.tasks.record import Files, Hub, Task
from simxfer.tasks.shapes import codes, either

LABELS = ("entailment", "neutral", "contradiction")

SPELLINGS = {
    "e": "entailment",
    "n": "neutral",
    "c": "contradiction",
    "0": "entailment",
    "1": "neutral",
    "2": "contradiction",
    "contradictory": "contradiction",
}
"""ANLI writes letters, the hub numbers, XNLI's machine-translated training data `contradictory`."""

PAIR = either(
    text=("sentence1", "premise", "context", "text"),
    text_pair=("sentence2", "hypothesis", "hypo", "text_pair"),
    label=("gold_label", "label"),
    id=("pairID", "uid", "id"),
)

AMERICASNLI_LANGUAGES = codes("quy ay bzd cni gn hch nah oto shp tar")
XNLI_LANGUAGES = codes("en ar bg de el es fr hi ru sw th tr ur vi zh")

_ANLI_HELD_OUT = {split: f"{split}_r1+{split}_r2+{split}_r3" for split in ("dev", "test")}
"""ANLI's rounds on the hub."""

_ANLI = Task(
    name="anli",
    kind="classification",
    description="Adversarial natural language inference: entailment, neutral or contradiction, with hypotheses that "
    "people wrote to fool a model; rounds 1 to 3.",
    metrics=("accuracy",),
    training_data=("anli",),
    languages=("en",),
    train_languages=("en",),
    labels=LABELS,
    spellings=SPELLINGS,
    files=Files(
        format="table",
        paths={split: (f"R[123]/{split}.jsonl",) for split in ("train", "dev", "test")},
        folders=("anli_v1.0",),
        convert=PAIR,
    ),
    hub=Hub(
        id="facebook/anli",
        config="plain_text",
        splits={"train": "train_r1+train_r2+train_r3", **_ANLI_HELD_OUT},
        convert=PAIR,
    ),
    sizes=(("train", 162_865), ("dev", 3_200), ("test", 3_200)),
    mean_characters=403,
    licence="CC BY-NC 4.0",
    citation="Nie et al. 2020, Adversarial NLI, ACL",
)

NLI_TASKS: tuple[Task, ...] = (
    _ANLI,
    Task(
        name="snli",
        kind="classification",
        description="Natural language inference over captions of photographs: entailment, neutral or contradiction.",
        metrics=("accuracy",),
        training_data=("snli",),
        languages=("en",),
        train_languages=("en",),
        labels=LABELS,
        spellings=SPELLINGS,
        files=Files(
            format="table",
            paths={
                split: (f"snli_1.0_{split}.jsonl", f"{split}.jsonl") for split in ("train", "dev", "test")
            },
            folders=("snli_1.0",),
            convert=PAIR,
        ),
        hub=Hub(
            id="stanfordnlp/snli",
            config="plain_text",
            splits={"train": "train", "dev": "validation", "test": "test"},
            convert=PAIR,
        ),
        sizes=(("train", 549_367), ("dev", 9_842), ("test", 9_824)),
        licence="CC BY-SA 4.0",
        citation="Bowman et al. 2015, A large annotated corpus for learning natural language inference, EMNLP",
    ),
    Task(
        name="mnli",
        kind="classification",
        description="Natural language inference in ten genres of written and spoken English: entailment, neutral or "
        "contradiction.",
        metrics=("accuracy",),
        training_data=("mnli",),
        languages=("en",),
        train_languages=("en",),
        labels=LABELS,
        spellings=SPELLINGS,
        test_split="dev",  # GLUE keeps the labels of the test set
        files=Files(
            format="table",
            paths={
                "train": ("train.tsv", "multinli_1.0_train.jsonl", "16-*/train.tsv"),
                "dev": ("dev_matched.tsv", "multinli_1.0_dev_matched.jsonl", "16-*/dev_matched.tsv"),
                "test": ("test_matched.tsv",),
            },
            folders=("MNLI", "multinli_1.0"),
            options={"header": ("sentence1",)},
            convert=PAIR,
        ),
        hub=Hub(
            id="nyu-mll/glue",
            config="mnli",
            splits={"train": "train", "dev": "validation_matched", "test": "test_matched"},
            convert=PAIR,
        ),
        sizes=(("train", 392_702), ("dev", 9_815), ("test", 9_796)),
        mean_characters=168,
        licence="OANC licence and others, free redistribution",
        citation="Williams et al. 2018, A broad-coverage challenge corpus for sentence understanding, NAACL",
    ),
    replace(
        _ANLI,
        name="anli_plus",
        description="Natural language inference on the union of ANLI (rounds 1 to 3), MNLI and SNLI; tested on ANLI.",
        training_data=("anli", "mnli", "snli"),
        trains_on=("anli", "mnli", "snli"),
        roles=("intermediate",),
        files=Files(
            format="table",
            paths={split: (f"R[123]/{split}.jsonl",) for split in ("dev", "test")},
            folders=("anli", "anli_v1.0"),
            convert=PAIR,
        ),
        hub=Hub(id="facebook/anli", config="plain_text", splits=_ANLI_HELD_OUT, convert=PAIR),
        sizes=(("train", 1_104_934), ("dev", 3_200), ("test", 3_200)),
        mean_characters=403,
        licence="CC BY-NC 4.0 (ANLI), CC BY-SA 4.0 (SNLI), OANC and others (MNLI)",
        citation="Phang et al. 2020, English intermediate-task training improves zero-shot cross-lingual transfer too",
    ),
    Task(
        name="xnli",
        kind="classification",
        description="Cross-lingual natural language inference: development and test pairs in the genres of MNLI, "
        "translated by people into 14 languages.",
        metrics=("accuracy",),
        training_data=("mnli",),
        languages=XNLI_LANGUAGES,
        train_languages=XNLI_LANGUAGES,
        trains_on=("mnli",),
        dev_tasks=("xnli",),
        labels=LABELS,
        spellings=SPELLINGS,
        files=Files(
            format="table",
            paths={
                "train": (
                    "train-{language}.tsv",
                    "multinli.train.{language}.tsv",
                    "XNLI-MT-1.0/multinli/multinli.train.{language}.tsv",
                ),
                "dev": ("xnli.dev.tsv", "XNLI-1.0/xnli.dev.tsv", "dev-{language}.tsv"),
                "test": ("xnli.test.tsv", "XNLI-1.0/xnli.test.tsv", "test-{language}.tsv"),
            },
            folders=("XNLI-1.0", "XNLI"),
            options={
                "columns": ("text", "text_pair", "label"),
                "header": ("gold_label", "hypo"),
                "quoted": True,
                "language_column": "language",
            },
            convert=PAIR,
        ),
        hub=Hub(
            id="facebook/xnli",
            config="{language}",
            splits={"train": "train", "dev": "validation", "test": "test"},
            convert=PAIR,
        ),
        sizes=(("train", 392_702), ("dev", 2_490), ("test", 5_010)),
        mean_characters=159,
        licence="CC BY-NC 4.0",
        citation="Conneau et al. 2018, XNLI: Evaluating cross-lingual sentence representations, EMNLP",
    ),
    Task(
        name="americasnli",
        kind="classification",
        description="Natural language inference in ten Indigenous languages of the Americas, translated from XNLI.",
        metrics=("accuracy",),
        training_data=("mnli",),
        languages=AMERICASNLI_LANGUAGES,
        train_languages=("en",),
        trains_on=("mnli",),
        dev_tasks=("xnli",),
        roles=("target",),
        labels=LABELS,
        spellings=SPELLINGS,
        files=Files(
            format="table",
            paths={split: (f"{split}/{{language}}.tsv",) for split in ("dev", "test")},
            folders=("anli_final", "data/anli_final"),
            codes={"ay": "aym"},
            options={"header": ("label",), "language_column": "language"},
            convert=PAIR,
        ),
        hub=Hub(
            id="nala-cub/americas_nli",
            config="{language}",
            splits={"dev": "validation", "test": "test"},
            codes={"ay": "aym"},
            convert=PAIR,
        ),
        sizes=(("test", 750),),
        mean_characters=133,
        licence="CC BY-SA 4.0",
        citation="Ebrahimi et al. 2022, AmericasNLI, ACL",
    ),
)
