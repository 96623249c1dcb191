"""A few rows of every data set of the hub that a record names, and the examples that they are. All made up."""

from hub_rows import HubCase, nli, pair, qa, span, untitled
from hub_schemas import (
    ANLI,
    COMMONSENSE,
    COPA,
    COSMOS,
    GLUE_NLI,
    HELLASWAG,
    NER,
    NER_DATES,
    NLI,
    PAIRS,
    PAWS,
    POS,
    QQP,
    SOCIAL,
    SQUAD,
    SWAG,
    UD,
    UD_POS,
    UNTITLED,
    XCOPA,
)

from simxfer.tasks.examples import (
    AnyExample,
    ChoiceExample,
    RetrievalExample,
    TaggingExample,
)
from simxfer.tasks.tagging import UPOS

ANLI_DEV = {
    "plain_text/dev_r1": [nli("A man sat.", "He sat.", 0, uid="r1-a", reason="")],
    "plain_text/dev_r2": [nli("A man ran.", "He sat.", 2, uid="r2-a", reason="")],
    "plain_text/dev_r3": [nli("A man ate.", "He sat.", 1, uid="r3-a", reason="")],
}
ANLI_EXAMPLES: list[AnyExample] = [
    pair("r1-a", "A man sat.", "He sat.", "entailment"),
    pair("r2-a", "A man ran.", "He sat.", "contradiction"),
    pair("r3-a", "A man ate.", "He sat.", "neutral"),
]
SWAG_ROW = {
    "video-id": "lsmdc1", "fold-ind": "17", "startphrase": "She sits. She", "sent1": "She sits.", "sent2": "She",
    "gold-source": "gold", "ending0": "flies.", "ending1": "reads.", "ending2": "melts.", "ending3": "rusts.",
}  # fmt: skip
COSMOS_ROW = {
    "id": "q1", "context": "It rained.", "question": "Why an umbrella?", "answer0": "rain", "answer1": "sun",
    "answer2": "fun", "answer3": "None of the above choices .",
}  # fmt: skip
COPA_ROW = {
    "premise": "It rained.",
    "choice1": "I got wet.",
    "choice2": "I flew.",
    "question": "effect",
    "idx": 0,
}
PARIS = "Paris is in France."

CASES = [
    HubCase("anli", "dev", ANLI_DEV, ANLI, ANLI_EXAMPLES),
    HubCase("anli_plus", "dev", ANLI_DEV, ANLI, ANLI_EXAMPLES),
    HubCase(
        "snli",
        "train",
        {"plain_text/train": [nli("Two dogs run.", "Dogs run.", 0), nli("A", "B", -1), nli("Two", "One", 2)]},
        NLI,
        [pair("0", "Two dogs run.", "Dogs run.", "entailment"), pair("2", "Two", "One", "contradiction")],
        left_out=1,  # SNLI's annotators did not agree
    ),
    HubCase(
        "mnli",
        "dev",
        {"mnli/validation_matched": [nli("It is so.", "It is not.", 2, idx=0)]},
        GLUE_NLI,
        [pair("0", "It is so.", "It is not.", "contradiction")],
        unasked={"mnli/validation_mismatched": [nli("No", "No", 0, idx=0)]},
    ),
    HubCase(
        "xnli",
        "test",
        {"sw/test": [nli("Naye akasema", "Alisema", 0), nli("Mama", "Baba", 1)]},
        NLI,
        [pair("0", "Naye akasema", "Alisema", "entailment"), pair("1", "Mama", "Baba", "neutral")],
        language="sw",
        unasked={"en/test": [nli("And he said", "He said", 0)]},
    ),
    HubCase(
        "americasnli",
        "test",
        {"aym/test": [nli("Ukat sasa", "Janiwa", 2)]},
        NLI,
        [pair("0", "Ukat sasa", "Janiwa", "contradiction")],
        language="ay",
    ),
    HubCase(
        "qqp",
        "dev",
        {"qqp/validation": [{"question1": "Why?", "question2": "How come?", "label": 1, "idx": 0}]},
        QQP,
        [pair("0", "Why?", "How come?", "duplicate")],
    ),
    HubCase(
        "pawsx",
        "test",
        {"de/test": [{"id": 7, "sentence1": "A nach B", "sentence2": "B nach A", "label": 0}]},
        PAWS,
        [pair("7", "A nach B", "B nach A", "not_paraphrase")],
        language="de",
    ),
    HubCase(
        "squad_v1",
        "dev",
        {"plain_text/validation": [qa("a", PARIS, "Where?", "France", 12)]},
        SQUAD,
        [span("a", PARIS, "Where?", (12, "France"))],
    ),
    HubCase(
        "squad_v2",
        "dev",
        {"squad_v2/validation": [qa("a", PARIS, "Where?", "France", 12), qa("b", PARIS, "When?", None)]},
        SQUAD,
        [span("a", PARIS, "Where?", (12, "France")), span("b", PARIS, "When?")],
    ),
    HubCase(
        "xquad",
        "test",
        {"xquad.zh/validation": [untitled("a", "巴黎在法国。", "在哪里？", "法国", 3)]},
        UNTITLED,
        [span("a", "巴黎在法国。", "在哪里？", (3, "法国"))],
        language="zh",
    ),
    HubCase(
        "mlqa",
        "test",
        {"mlqa.de.de/test": [untitled("a", "Paris liegt in Frankreich.", "Wo?", "Frankreich", 15)]},
        UNTITLED,
        [span("a", "Paris liegt in Frankreich.", "Wo?", (15, "Frankreich"))],
        language="de",
        unasked={"mlqa.de.en/test": [untitled("a", "Paris liegt in Frankreich.", "Where?", "Frankreich", 15)]},
    ),
    HubCase(
        "mlqa_cross",
        "test",
        {
            "mlqa.de.de/test": [untitled("a", "Paris liegt in Frankreich.", "Wo?", "Frankreich", 15)],
            "mlqa.de.en/test": [untitled("a", "Paris liegt in Frankreich.", "Where?", "Frankreich", 15)],
            "mlqa.de.es/test": [untitled("a", "Paris liegt in Frankreich.", "¿Dónde?", "Paris", 0)],
        },
        UNTITLED,
        [
            span("en:a", "Paris liegt in Frankreich.", "Where?", (15, "Frankreich"), subsets=("question-en",)),
            span("es:a", "Paris liegt in Frankreich.", "¿Dónde?", (0, "Paris"), subsets=("question-es",)),
        ],
        language="de",
        unasked={"mlqa.en.de/test": [untitled("a", PARIS, "Wo?", "France", 12)]},
    ),
    HubCase(
        "tydiqa",
        "dev",
        {
            "secondary_task/validation": [
                qa("english-1-0", PARIS, "Where?", "France", 12),
                qa("swahili--8-4", "Silva alianza mwaka 1999, yaani 1999.", "Lini?", "1999", 22),  # 2 blanks stripped
            ]
        },
        SQUAD,
        [span("swahili--8-4", "Silva alianza mwaka 1999, yaani 1999.", "Lini?", (20, "1999"))],
        language="sw",
    ),
    HubCase(
        "hellaswag",
        "dev",
        {
            "default/validation": [
                {"ind": 24, "activity_label": "Roof", "ctx_a": "A man sits. ", "ctx_b": "he", "ctx": "A man sits. he",
                 "endings": ["eats.", "flies.", "melts.", "rusts."], "source_id": "s", "split": "val",
                 "split_type": "indomain", "label": "0"}
            ]
        },
        HELLASWAG,
        [ChoiceExample(id="24", context="A man sits. he", choices=("eats.", "flies.", "melts.", "rusts."), label=0)],
    ),
    HubCase(
        "swag",
        "train",
        {"regular/train": [SWAG_ROW | {"label": 1}]},
        SWAG,
        [
            ChoiceExample(
                id="lsmdc1:17", context="She sits. She", choices=("flies.", "reads.", "melts.", "rusts."), label=1
            )
        ],
    ),
    HubCase(
        "cosmosqa",
        "dev",
        {"default/validation": [COSMOS_ROW | {"label": 0}, COSMOS_ROW | {"id": "q2", "label": -1}]},
        COSMOS,
        [
            ChoiceExample(
                id="q1",
                context="It rained. Why an umbrella?",
                choices=("rain", "sun", "fun", "None of the above choices ."),
                label=0,
            )
        ],
        left_out=1,
    ),
    HubCase(
        "commonsenseqa",
        "dev",
        {
            "default/validation": [
                {"id": "c", "question": "Where is a bed?", "question_concept": "bed", "answerKey": "B",
                 "choices": {"label": ["A", "B", "C", "D", "E"], "text": ["sea", "bedroom", "sky", "car", "tree"]}}
            ]
        },
        COMMONSENSE,
        [
            ChoiceExample(
                id="c", context="Where is a bed?", choices=("sea", "bedroom", "sky", "car", "tree"), label=1
            )
        ],
    ),
    HubCase(
        "socialiqa",
        "dev",
        {
            "default/validation": [
                {"context": "Ann left.", "question": "Why?", "answerA": "tired", "answerB": "tall", "answerC": "blue",
                 "label": "3\n"}  # its loading script kept the end of the line
            ]
        },
        SOCIAL,
        [ChoiceExample(id="0", context="Ann left. Why?", choices=("tired", "tall", "blue"), label=2)],
    ),
    HubCase(
        "copa",
        "dev",
        {"copa/validation": [COPA_ROW | {"label": 0}, COPA_ROW | {"idx": 1, "label": -1}]},
        COPA,
        [
            ChoiceExample(
                id="0", context="It rained. What was the effect?", choices=("I got wet.", "I flew."), label=0
            )
        ],
        left_out=1,
    ),
    HubCase(
        "xcopa",
        "test",
        {"it/test": [COPA_ROW | {"label": 1, "changed": False}]},
        XCOPA,
        [
            ChoiceExample(
                id="0", context="It rained. What was the effect?", choices=("I got wet.", "I flew."), label=1
            )
        ],
        language="it",
    ),
    HubCase(
        "udpos",
        "test",
        {"udpos.Tamil/test": [{"tokens": ["அவன்", "."], "pos_tags": [UPOS.index("PRON"), UPOS.index("PUNCT")]}]},
        POS,
        [TaggingExample(id="0", words=("அவன்", "."), tags=("PRON", "PUNCT"))],
        language="ta",
    ),
    HubCase(
        "ud",
        "test",
        {
            "de_gsd/test": [
                {"idx": "s1", "text": "Im Haus", "tokens": ["Im", "In", "dem", "Haus"],
                 "upos": [UD_POS.index(tag) for tag in ("_", "ADP", "DET", "NOUN")]}
            ],
            "de_hdt/test": [{"idx": "s1", "text": "Ja", "tokens": ["Ja"], "upos": [UD_POS.index("INTJ")]}],
        },
        UD,
        [
            TaggingExample(id="0", words=("In", "dem", "Haus"), tags=("ADP", "DET", "NOUN")),
            TaggingExample(id="1", words=("Ja",), tags=("INTJ",)),
        ],
        language="de",
        unasked={"nds_lsdc/test": [{"idx": "s1", "text": "Jo", "tokens": ["Jo"], "upos": [15]}]},
    ),
    HubCase(
        "panx",
        "test",
        {"sw/test": [{"tokens": ["Khartoum", ",", "Sudan"], "ner_tags": [5, 0, 5]}]},
        NER,
        [TaggingExample(id="0", words=("Khartoum", ",", "Sudan"), tags=("B-LOC", "O", "B-LOC"))],
        language="sw",
    ),
    HubCase(
        "masakhaner2",
        "test",
        {"yor/test": [{"id": "0", "tokens": ["Ade", "lana"], "ner_tags": [1, 7]}]},
        NER_DATES,
        [TaggingExample(id="0", words=("Ade", "lana"), tags=("B-PER", "O"))],
        language="yo",
    ),
    HubCase(
        "tatoeba",
        "test",
        {
            "tatoeba.swh/validation": [
                {"source_sentence": "Habari.\n", "target_sentence": "Hello.\n", "source_lang": "swh",
                 "target_lang": "eng"}
            ]
        },
        PAIRS,
        [RetrievalExample(id="0", text="Habari.", translation="Hello.")],
        language="sw",
    ),
]  # fmt: skip
