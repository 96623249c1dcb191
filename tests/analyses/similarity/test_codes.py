"""Language codes: fail closed, and keep Tagalog."""

import contextlib

import langcodes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from langcodes.data_dicts import NORMALIZED_MACROLANGUAGES

from analyses.similarity.codes import AMBIGUOUS, STANDARDS, iso639_3
from analyses.similarity.uriel import uriel
from simxfer.common.errors import InputError

XTREME_R = """
af ar az bg bn de el en es et eu fa fi fr gu he hi ht hu id it ja jv ka kk ko lt ml mr ms my nl pa pl pt ro ru
sw ta te th tl tr uk ur vi wo yo zh
"""


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", "eng"),
        ("tl", "tgl"),
        ("tgl", "tgl"),
        ("fil", "fil"),
        ("ar", "arb"),
        ("zh", "cmn"),
        ("zh-Hant", "cmn"),
        ("zh-yue", "yue"),
        ("sw", "swh"),
        ("et", "ekk"),
        ("fa", "pes"),
        ("ms", "zsm"),
        ("no", "nob"),
        ("nb", "nob"),
        ("iw", "heb"),
        ("mo", "ron"),
        ("sr-Latn", "srp"),
        ("EN-gb", "eng"),
        ("zh-min-nan", "nan"),
        ("be-tarask", "bel"),
        ("nds-nl", "nds"),
        ("ar-arz", "arz"),
        ("i-lux", "ltz"),
        ("als-Latn", "als"),
        ("als_Latn", "als"),
    ],
)
def test_codes_become_individual_languages(code, expected):
    assert iso639_3(code) == expected


WIKIPEDIA = {
    "bat-smg": "sgs", "be-x-old": "bel", "cbk-zam": "cbk", "fiu-vro": "vro", "roa-rup": "rup", "simple": "eng",
    "zh-classical": "lzh", "zh-min-nan": "nan", "zh-yue": "yue", "map-bms": None, "roa-tara": None, "als": None,
    "eml": None, "nah": None, "nrm": None,
}  # fmt: skip
"""Codes of Wikipedia's editions (meta.wikimedia.org, Special language codes); None: refused."""


@pytest.mark.parametrize("spelt", [str, str.upper, lambda code: code.replace("-", "_")])
@pytest.mark.parametrize("code", WIKIPEDIA)
def test_codes_of_wikipedia_mean_what_they_mean_there_or_nothing(code, spelt):
    if WIKIPEDIA[code]:
        assert iso639_3(spelt(code)) == WIKIPEDIA[code]
    else:
        with pytest.raises(InputError, match="use "):
            iso639_3(spelt(code))


BIBLIOGRAPHIC = """
alb als arm hye baq eus bur mya chi cmn cze ces dut nld fre fra geo kat ger deu gre ell ice isl mac mkd mao mri
may zsm per pes rum ron slo slk tib bod wel cym scr hrv scc srp
"""
"""ISO 639-2/B -> ISO 639-3 (Library of Congress, with the two codes withdrawn in 2008), macrolanguages by standard."""
PAIRS = list(zip(BIBLIOGRAPHIC.split()[::2], BIBLIOGRAPHIC.split()[1::2], strict=True))


@pytest.mark.parametrize(("code", "expected"), PAIRS)
def test_bibliographic_codes_are_their_languages(code, expected):
    assert iso639_3(code) == iso639_3(f"{code}-001") == expected
    assert expected in uriel().position


@pytest.mark.parametrize("code", ["en-yue", "ar-yue", "cbk-yue", "sw-swh-zzj", "aaa-bbb", "et-vro"])
def test_three_letters_after_a_language_are_no_other_language(code):
    """Extended languages belong to the prefixes that IANA's registry gives them."""
    with pytest.raises(InputError, match="unknown language code"):
        iso639_3(code)


@pytest.mark.parametrize("code", ["ber", "sla", "roa", "nah", "smi", "sgn", "phi"])
def test_a_family_is_no_language(code):
    with pytest.raises(InputError, match="names a group of languages"):
        iso639_3(code)


@pytest.mark.parametrize(
    "code",
    [
        "xx",
        "avg",
        "qqz1",
        "",
        "english",
        "en_",
        "x-a1",
        "qu",
        "sh",
        "ku",
        "mul-x",
        "mul",
        "und",
        "qaa",
        None,
        np.nan,
    ],
)
def test_what_is_not_one_language_is_refused(code):
    with pytest.raises(InputError):
        iso639_3(code)


def test_an_ambiguous_code_names_the_choices():
    with pytest.raises(InputError, match=r"'qu'.*quy, quz"):
        iso639_3("qu")


@pytest.mark.parametrize("code", XTREME_R.split())
def test_every_language_of_xtreme_r_is_in_uriel(code):
    assert iso639_3(code) in uriel().position


def test_the_tables_do_not_overlap_and_name_languages_of_uriel():
    assert not STANDARDS.keys() & AMBIGUOUS.keys()
    named = {*STANDARDS, *STANDARDS.values(), *AMBIGUOUS, *" ".join(AMBIGUOUS.values()).split()}
    assert {code for code in named if code not in uriel().position} <= {"bih"}
    for choices in AMBIGUOUS.values():
        assert all(iso639_3(code) == code for code in choices.split())


def test_standards_are_those_of_cldr():
    """CLDR 42 as in langcodes; a macrolanguage of CLDR is here either with its standard or refused."""
    for individual, macro in NORMALIZED_MACROLANGUAGES.items():
        if individual in ("tw", "fat", "bh"):  # Akan has two aliases; Bihari is a collection
            continue
        alpha3 = langcodes.Language.get(macro, normalize=False).to_alpha3() if len(macro) == 2 else macro
        assert STANDARDS.get(alpha3, individual) == individual
        if len(macro) == 2:
            assert alpha3 in STANDARDS or alpha3 in AMBIGUOUS


@given(st.text(max_size=6))
def test_any_text_gives_a_code_or_an_input_error(text):
    with contextlib.suppress(InputError):
        assert len(iso639_3(text)) == 3
