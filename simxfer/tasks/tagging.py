"""Tagging: CCG supertags, parts of speech (XTREME's UDPOS, any UD treebank), entities (PAN-X, MasakhaNER 2.0)."""

from typing import Any

from simxfer.tasks.record import Files, Hub, Task
from simxfer.tasks.shapes import codes

UPOS = codes("ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X")
"""The 17 universal parts of speech of UD v2 (universaldependencies.org/u/pos)."""

ENTITIES = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC")

CCG_CATEGORIES = 1363
"""Lexical categories of CCGbank in the copy that jiant reads (`jiant/tasks/lib/ccg.py`)."""

UDPOS_LANGUAGES = codes(
    "en af ar bg de el es et eu fa fi fr he hi hu id it ja kk ko lt mr nl pl pt ro ru ta te th tl tr uk ur vi wo yo "
    "zh"
)
"""XTREME's 33 languages and the five that XTREME-R adds (lt, pl, ro, uk, wo)."""

_UDPOS_UNTRAINED = ("th", "tl", "yo")

PANX_LANGUAGES = codes(
    "en af ar az bg bn de el es et eu fa fi fr gu he hi hu id it ja jv ka kk ko lt ml mr ms my nl pa pl pt qu ro ru "
    "sw ta te th tl tr uk ur vi yo zh"
)
"""XTREME's 40 languages and the eight that XTREME-R adds (az, gu, lt, pa, pl, qu, ro, uk)."""

MASAKHANER_CODES = {
    "am": "amh",
    "bm": "bam",
    "bbj": "bbj",
    "ee": "ewe",
    "fon": "fon",
    "ha": "hau",
    "ig": "ibo",
    "rw": "kin",
    "lg": "lug",
    "luo": "luo",
    "mos": "mos",
    "ny": "nya",
    "pcm": "pcm",
    "sn": "sna",
    "sw": "swa",
    "tn": "tsn",
    "tw": "twi",
    "wo": "wol",
    "xh": "xho",
    "yo": "yor",
    "zu": "zul",
}
"""The 20 languages of MasakhaNER 2.0, and Amharic, which its first version has."""

UD_LANGUAGES = codes(
    "en abq ab af akk aqz sq am grc hbo apu ar hy aii az bm eu bej be bn bho bor br bg bxr yue ca ceb zh ckt xcl cop "
    "hr cs da nl egy myv eo et fo fi fr gl ka de aln got el gub gn gu gwi ht ha he azz hit hi hu is id ga it ja jv urb "
    "kn xnr krl arr kk kfm naq quc koi kpv ko kmr ky ltg la lv lij lt olo nds lb mk jaa mpu ml mt gv mr gun mdf "
    "myu pcm nyq nap sme no oc or cu orv ota pad fa pay xpg pl qpm pt ro ru sa sab gd sr wuu sd si sms sk sl soj ajp "
    "es ssp sv swl gsw tl ta tt eme te th tpn tr uk xum hsb ur ug uz vep vi wbp cy hyw wo xav sjo sah yrl yi yo ess "
    "say zza"
)
"""Codes in the file names of Universal Dependencies that are BCP-47 codes as well (its made-up `q..` codes are not)."""

_POS = ("tag_f1", "token_accuracy")
_NER = ("chunk_f1", "token_accuracy")

_XTREME_NAMES = dict(
    pair.split(":")
    for pair in codes(
        "af:Afrikaans ar:Arabic bg:Bulgarian de:German el:Greek en:English es:Spanish et:Estonian eu:Basque "
        "fa:Persian fi:Finnish fr:French he:Hebrew hi:Hindi hu:Hungarian id:Indonesian it:Italian ja:Japanese "
        "kk:Kazakh ko:Korean mr:Marathi nl:Dutch pt:Portuguese ru:Russian ta:Tamil te:Telugu th:Thai tl:Tagalog "
        "tr:Turkish ur:Urdu vi:Vietnamese yo:Yoruba zh:Chinese"
    )
)
"""The hub's XTREME names the languages of UDPOS in English; it has the treebanks of UD 2.5."""


_NO_HEAD = (None, "None", "_", "")


def _only_words(row: dict[str, Any]) -> dict[str, Any]:
    """Drop the lines that are no words of the sentence: multiword tokens (trap 5) and empty nodes, which have no head.

    A treebank that gives no heads at all is read by its tags: `_` is that of multiword tokens alone.
    """
    heads = [head not in _NO_HEAD for head in row.get("head") or ()]
    is_word = heads if any(heads) else [tag != "_" for tag in row["upos"]]
    kept = [
        pair for pair, keep in zip(zip(row["tokens"], row["upos"], strict=True), is_word, strict=True) if keep
    ]
    return {"words": [word for word, _ in kept], "tags": [tag for _, tag in kept]}


TAGGING_TASKS: tuple[Task, ...] = (
    Task(
        name="ccg",
        kind="tagging",
        description="Combinatory categorial grammar supertagging: give every word of a sentence its lexical category, "
        "which says what it combines with on either side.",
        metrics=("token_accuracy",),
        training_data=("ccgbank",),
        languages=("en",),
        train_languages=("en",),
        # The categories are LDC data: a label is the number of a line of the user's own list (as jiant numbers them).
        labels=tuple(str(number) for number in range(CCG_CATEGORIES)),
        roles=("intermediate",),
        files=Files(
            format="conll",
            paths={
                split: (f"{split}.tsv", f"ccg.{split}", f"ccg_{split}.tsv")
                for split in ("train", "dev", "test")
            },
            options={"numbered_by": ("labels.txt", "tags_to_id.json")},
        ),
        sizes=(("train", 39_604), ("dev", 1_913), ("test", 2_407)),
        licence="LDC user agreement (LDC2005T13); local files only",
        citation="Hockenmaier and Steedman 2007, CCGbank, Computational Linguistics",
    ),
    Task(
        name="udpos",
        kind="tagging",
        description="Part-of-speech tagging with the 17 universal tags, on treebanks of Universal Dependencies.",
        metrics=_POS,
        training_data=("udpos",),
        languages=UDPOS_LANGUAGES,
        train_languages=tuple(code for code in UDPOS_LANGUAGES if code not in _UDPOS_UNTRAINED),
        labels=UPOS,
        parallel=False,
        files=Files(
            format="conll",
            paths={split: (f"{split}-{{language}}.tsv",) for split in ("train", "dev", "test")},
        ),
        hub=Hub(
            id="google/xtreme",
            config="udpos.{language}",
            splits={"train": "train", "dev": "validation", "test": "test"},
            codes=_XTREME_NAMES,
            lacks=tuple(code for code in UDPOS_LANGUAGES if code not in _XTREME_NAMES),
            columns={"words": "tokens", "tags": "pos_tags"},
        ),
        sizes=(("train", 21_253),),
        mean_characters=88,
        licence="one per treebank, some CC BY-NC-SA",
        citation="Nivre et al. 2018, Universal Dependencies 2.2; Hu et al. 2020, XTREME, ICML",
    ),
    Task(
        name="ud",
        kind="tagging",
        description="Part-of-speech tagging with the universal tags in any language that has a treebank of Universal "
        "Dependencies, read from its CoNLL-U files.",
        metrics=_POS,
        training_data=("udpos",),
        languages=UD_LANGUAGES,
        train_languages=("en",),
        trains_on=("udpos",),
        roles=("target",),
        labels=UPOS,
        parallel=False,
        files=Files(
            format="conllu",
            paths={
                split: (f"UD_*/{{language}}_*-ud-{split}.conllu", f"{{language}}_*-ud-{split}.conllu")
                for split in ("train", "dev", "test")
            },
            folders=("ud_conllu", "ud-treebanks"),
        ),
        hub=Hub(
            id="universal-dependencies/universal_dependencies",
            config="{language}_*",
            splits={"train": "train", "dev": "validation", "test": "test"},
            convert=_only_words,
        ),
        mean_characters=88,
        licence="one per treebank, some CC BY-NC-SA",
        citation="de Marneffe et al. 2021, Universal Dependencies, Computational Linguistics",
    ),
    Task(
        name="panx",
        kind="tagging",
        description="Named entity recognition (persons, organisations, locations) in Wikipedia sentences whose tags "
        "come from links (WikiANN).",
        metrics=_NER,
        training_data=("panx",),
        languages=PANX_LANGUAGES,
        train_languages=PANX_LANGUAGES,
        labels=ENTITIES,
        parallel=False,
        files=Files(
            format="conll",
            paths={
                split: (f"{split}-{{language}}.tsv", f"{{language}}/{split}", f"{{language}}-{split}")
                for split in ("train", "dev", "test")
            },
            folders=("panx_dataset", "wikiann"),
            options={"language_prefix": True},
        ),
        hub=Hub(
            id="unimelb-nlp/wikiann",
            config="{language}",
            splits={"train": "train", "dev": "validation", "test": "test"},
            columns={"words": "tokens", "tags": "ner_tags"},
        ),
        sizes=(("train", 20_000), ("dev", 10_000), ("test", 10_000)),
        mean_characters=41,
        licence="ODC-BY (annotation), CC BY-SA (Wikipedia)",
        citation="Pan et al. 2017, Cross-lingual name tagging for 282 languages, ACL; Rahimi et al. 2019, ACL",
    ),
    Task(
        name="masakhaner2",
        kind="tagging",
        description="Named entity recognition in news in African languages, trained on Wikipedia sentences (PAN-X). "
        "Dates are read as no entity, since PAN-X has none.",
        metrics=_NER,
        training_data=("panx",),
        languages=tuple(MASAKHANER_CODES),
        train_languages=("en",),
        trains_on=("panx",),
        roles=("target",),
        labels=ENTITIES,
        spellings={"B-DATE": "O", "I-DATE": "O"},
        parallel=False,
        files=Files(
            format="conll",
            paths={
                split: (f"{{language}}/{split}.txt", f"{{language}}_v1/{split}.txt")
                for split in ("train", "dev", "test")
            },
            folders=("MasakhaNER2.0/data",),
            codes=MASAKHANER_CODES,
            options={"separator": " "},
        ),
        hub=Hub(
            id="masakhane/masakhaner2",
            config="{language}",
            splits={"train": "train", "dev": "validation", "test": "test"},
            codes=MASAKHANER_CODES,
            lacks=("am",),
            columns={"words": "tokens", "tags": "ner_tags"},
        ),
        mean_characters=124,
        licence="CC BY-NC 4.0",
        citation="Adelani et al. 2022, MasakhaNER 2.0: Africa-centric transfer learning for NER, EMNLP",
    ),
)
