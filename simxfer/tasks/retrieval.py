"""Retrieval: mining (BUCC), translations (Tatoeba), and trained bi-encoders (LAReQA, Mewsli-X)."""

from typing import Any

from simxfer.tasks.record import Files, Hub, Task
from simxfer.tasks.shapes import codes

_OF_XTREME = {
    "af": "afr",
    "am": "amh",
    "ar": "ara",
    "az": "aze",
    "bg": "bul",
    "bn": "ben",
    "de": "deu",
    "el": "ell",
    "es": "spa",
    "et": "est",
    "eu": "eus",
    "fa": "pes",
    "fi": "fin",
    "fr": "fra",
    "ga": "gle",
    "he": "heb",
    "hi": "hin",
    "hu": "hun",
    "id": "ind",
    "it": "ita",
    "ja": "jpn",
    "jv": "jav",
    "ka": "kat",
    "kk": "kaz",
    "km": "khm",
    "ko": "kor",
    "lt": "lit",
    "ml": "mal",
    "mr": "mar",
    "nl": "nld",
    "pl": "pol",
    "pt": "por",
    "ro": "ron",
    "ru": "rus",
    "sw": "swh",
    "ta": "tam",
    "te": "tel",
    "th": "tha",
    "tl": "tgl",
    "tr": "tur",
    "uk": "ukr",
    "ur": "urd",
    "vi": "vie",
    "yi": "yid",
    "zh": "cmn",
}
"""XTREME's 36 languages, the five of XTREME-R (az, lt, pl, ro, uk), and am, ga, km, yi."""

_OTHERS = dict(
    pair.split(":")
    for pair in codes(
        "ang:ang arq:arq arz:arz ast:ast awa:awa be:bel ber:ber bs:bos br:bre ca:cat cbk:cbk ceb:ceb cs:ces ch:cha "
        "kw:cor csb:csb cy:cym da:dan dsb:dsb dtp:dtp eo:epo fo:fao fy:fry gd:gla gl:glg gsw:gsw hr:hrv hsb:hsb hy:hye "
        "io:ido ie:ile ia:ina is:isl kab:kab ku:kur kzj:kzj la:lat lfn:lfn lv:lvs max:max mhr:mhr mk:mkd mn:mon "
        "nds:nds nn:nno nb:nob nov:nov oc:oci orv:orv pam:pam pms:pms sk:slk sl:slv sq:sqi sr:srp sv:swe swg:swg "
        "tt:tat tk:tuk tzl:tzl ug:uig uz:uzb war:war wuu:wuu xh:xho yue:yue zsm:zsm"
    )
)

TATOEBA_CODES = {**_OF_XTREME, **_OTHERS}
"""Every language of LASER's test sets (v1, 112 of them), and its code in their names; XTREME leaves Malay (zsm) out."""

LAREQA_LANGUAGES = codes("en ar de el es hi ru th tr vi zh")
MEWSLIX_LANGUAGES = codes("en ar de es fa ja pl ro ta tr uk")


def _lines(row: dict[str, Any]) -> dict[str, Any]:
    """A line of each file, its end of line included."""
    return {"text": row["source_sentence"].strip(), "translation": row["target_sentence"].strip()}


RETRIEVAL_TASKS: tuple[Task, ...] = (
    Task(
        name="bucc2018",
        kind="mining",
        description="Bitext mining: find the sentences of a corpus that have a translation in an English corpus, and "
        "which it is; most have none.",
        metrics=("mining_f1",),
        training_data=(),
        languages=("de", "fr", "ru", "zh"),
        train_languages=(),
        roles=("target",),
        parallel=False,
        files=Files(
            format="bucc",
            # XTREME calls the shared task's training set test, its sample set dev; a lone gold file is refused.
            paths={
                split: tuple(
                    f"{folder}{{language}}-en.{name}.{ending}"
                    for ending in ("{language}", "gold")
                    for folder in ("", "{language}-en/")
                    for name in (split, official)
                )
                for split, official in (("dev", "sample"), ("test", "training"))
            },
        ),
        mean_characters=76,
        licence="none stated (Wikipedia, News Commentary)",
        citation="Zweigenbaum et al. 2018, Overview of the third BUCC shared task, BUCC",
    ),
    Task(
        name="tatoeba",
        kind="retrieval",
        description="Sentence retrieval: find the English translation of a sentence among up to 1,000.",
        metrics=("retrieval_accuracy",),
        training_data=(),
        languages=tuple(TATOEBA_CODES),
        train_languages=(),
        roles=("target",),
        parallel=False,
        files=Files(
            format="tatoeba",
            paths={
                "test": (
                    "v1/tatoeba.{language}-eng.{language}",
                    "tatoeba.{language}-eng.{language}",
                    "{bcp47}-en.{bcp47}",
                    "*/{bcp47}-en.{bcp47}",
                )
            },
            codes=TATOEBA_CODES,
        ),
        hub=Hub(
            id="google/xtreme",
            config="tatoeba.{language}",
            splits={"test": "validation"},
            codes=TATOEBA_CODES,
            lacks=(*codes("am az ga km lt pl ro uk yi"), *_OTHERS),
            convert=_lines,
        ),
        sizes=(("test", 1_000),),
        mean_characters=63,
        licence="CC BY 2.0 FR",
        citation="Artetxe and Schwenk 2019, Massively multilingual sentence embeddings, TACL",
    ),
    Task(
        name="lareqa",
        kind="ranking",
        selects_on="held-out",
        description="Answer retrieval from a multilingual pool: rank the sentences of all languages so that those that "
        "answer a question, in whichever language, come first.",
        metrics=("map_at_20",),
        training_data=("squad_v1",),
        languages=LAREQA_LANGUAGES,
        train_languages=("en",),
        trains_on=("squad_v1",),
        roles=("target",),
        files=Files(format="lareqa", paths={"test": ("xquad-r/{language}.json",)}),
        sizes=(("test", 1_190),),
        mean_characters=422,
        licence="CC BY-SA 4.0",
        citation="Roy et al. 2020, LAReQA: Language-agnostic answer retrieval from a multilingual pool, EMNLP",
    ),
    Task(
        name="mewslix",
        kind="ranking",
        description="Entity retrieval: for a mention in a news article, find the entity among a million by its "
        "description, which is in another language more often than not.",
        metrics=("mrr_at_20",),
        training_data=("mewslix",),
        languages=MEWSLIX_LANGUAGES,
        train_languages=("en",),
        roles=("target",),
        parallel=False,
        files=Files(
            format="mewslix",
            paths={
                "train": ("wikipedia_pairs-train.jsonl",),
                "dev": ("wikinews_mentions-dev.jsonl",),
                "test": ("wikinews_mentions-test.jsonl", "wikinews_mentions_no_text-test.jsonl"),
            },
            folders=("mewsli_x/output/dataset", "mewsli-x"),
            options={"home": MEWSLIX_LANGUAGES},
        ),
        sizes=(("train", 167_719),),
        licence="CC BY-SA (Wikipedia), CC BY 2.5 (WikiNews)",
        citation="Ruder et al. 2021, XTREME-R, EMNLP",
    ),
)
