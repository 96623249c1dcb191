"""The schemas of the data sets of the hub that the records name: columns, types, names of ClassLabels.

They are those of the data sets' own loading scripts in huggingface/datasets (folder datasets/ of release 1.x) and of
the dataset_info of their cards.
"""

from datasets import ClassLabel, Features, List, Value

from simxfer.tasks.shapes import codes
from simxfer.tasks.tagging import ENTITIES, UPOS

TEXT, INT = Value("string"), Value("int32")
ANSWERS = {"text": List(TEXT), "answer_start": List(INT)}
NLI = Features(
    premise=TEXT, hypothesis=TEXT, label=ClassLabel(names=["entailment", "neutral", "contradiction"])
)
SQUAD = Features(id=TEXT, title=TEXT, context=TEXT, question=TEXT, answers=ANSWERS)
UNTITLED = Features(context=TEXT, question=TEXT, answers=ANSWERS, id=TEXT)
NER = Features(tokens=List(TEXT), ner_tags=List(ClassLabel(names=list(ENTITIES))))
NER_DATES = Features(
    id=TEXT, tokens=List(TEXT), ner_tags=List(ClassLabel(names=[*ENTITIES, "B-DATE", "I-DATE"]))
)
POS = Features(tokens=List(TEXT), pos_tags=List(ClassLabel(names=list(UPOS))))
UD_POS = codes("NOUN PUNCT ADP NUM SYM SCONJ ADJ PART DET CCONJ PROPN PRON X _ ADV INTJ VERB AUX")
UD = Features(idx=TEXT, text=TEXT, tokens=List(TEXT), upos=List(ClassLabel(names=list(UD_POS))))
PAIRS = Features(source_sentence=TEXT, target_sentence=TEXT, source_lang=TEXT, target_lang=TEXT)
ANLI = Features(uid=TEXT, **NLI, reason=TEXT)
GLUE_NLI = Features(**NLI, idx=INT)
QQP = Features(
    question1=TEXT, question2=TEXT, label=ClassLabel(names=["not_duplicate", "duplicate"]), idx=INT
)
PAWS = Features(id=INT, sentence1=TEXT, sentence2=TEXT, label=ClassLabel(names=["0", "1"]))
HELLASWAG = Features(
    ind=INT, activity_label=TEXT, ctx_a=TEXT, ctx_b=TEXT, ctx=TEXT, endings=List(TEXT), source_id=TEXT, split=TEXT,
    split_type=TEXT, label=TEXT,
)  # fmt: skip
SWAG = Features(
    {
        "video-id": TEXT,
        "fold-ind": TEXT,
        "startphrase": TEXT,
        "sent1": TEXT,
        "sent2": TEXT,
        "gold-source": TEXT,
    }
    | {f"ending{i}": TEXT for i in range(4)}
    | {"label": ClassLabel(names=["0", "1", "2", "3"])}
)
COSMOS = Features(
    {"id": TEXT, "context": TEXT, "question": TEXT} | {f"answer{i}": TEXT for i in range(4)} | {"label": INT}
)
COMMONSENSE = Features(
    id=TEXT,
    question=TEXT,
    question_concept=TEXT,
    choices={"label": List(TEXT), "text": List(TEXT)},
    answerKey=TEXT,
)
SOCIAL = Features(context=TEXT, question=TEXT, answerA=TEXT, answerB=TEXT, answerC=TEXT, label=TEXT)
COPA = Features(
    premise=TEXT,
    choice1=TEXT,
    choice2=TEXT,
    question=TEXT,
    idx=INT,
    label=ClassLabel(names=["choice1", "choice2"]),
)
XCOPA = Features(
    premise=TEXT, choice1=TEXT, choice2=TEXT, question=TEXT, label=INT, idx=INT, changed=Value("bool")
)
