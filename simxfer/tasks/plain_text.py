"""Plain text for masked language modelling beside the intermediate tasks (Phang et al. 2020, section 3)."""

from simxfer.tasks.nli import AMERICASNLI_LANGUAGES
from simxfer.tasks.record import Files, Task
from simxfer.tasks.retrieval import TATOEBA_CODES
from simxfer.tasks.tagging import MASAKHANER_CODES, PANX_LANGUAGES, UDPOS_LANGUAGES

TEXT_LANGUAGES = tuple(
    dict.fromkeys(
        (*PANX_LANGUAGES, "ht", *UDPOS_LANGUAGES, *TATOEBA_CODES, *MASAKHANER_CODES, *AMERICASNLI_LANGUAGES)
    )
)
"""Every language that a target has, English first."""

TEXT = "mlm"
"""The task of plain text; the input of any other task can be read as its."""

TEXT_TASKS: tuple[Task, ...] = (
    Task(
        name=TEXT,
        kind="mlm",
        description="Masked language modelling: guess hidden subwords of plain text.",
        metrics=("token_accuracy",),
        training_data=("text",),
        languages=TEXT_LANGUAGES,
        train_languages=TEXT_LANGUAGES,
        roles=("intermediate",),
        parallel=False,
        files=Files(
            format="lines",
            paths={
                "train": ("{language}.txt", "train/{language}.txt"),
                "dev": ("dev/{language}.txt",),
                "test": ("test/{language}.txt",),
            },
        ),
        licence="that of the text given",
        citation="Devlin et al. 2019, BERT, NAACL; Phang et al. 2020, AACL",
    ),
)
