"""Language codes, fail-closed: every code becomes one ISO 639-3 code of an individual language, or an error.

A macrolanguage code (`ar`, `zh`) stands for a group of languages. Where one of them is what such data are
written in, `STANDARDS` names it; where several are, `AMBIGUOUS` lists them and the code is refused. Codes of
Wikipedia, and so of WikiANN (PAN-X) and fastText, that are no BCP-47 codes become what they mean there (`MEANT`).
"""

from dataclasses import dataclass
from functools import cache

import langcodes
from langcodes.data_dicts import LANGUAGE_ALPHA3, LANGUAGE_ALPHA3_BIBLIOGRAPHIC
from langcodes.registry_parser import parse_registry

from simxfer.common.errors import InputError

STANDARDS: dict[str, str] = {
    "aka": "twi",
    "ara": "arb",
    "aym": "ayr",
    "aze": "azj",
    "est": "ekk",
    "fas": "pes",
    "grn": "gug",
    "kok": "knn",
    "kom": "kpv",
    "lav": "lvs",
    "mlg": "plt",
    "mon": "khk",
    "msa": "zsm",
    "nep": "npi",
    "nor": "nob",
    "ori": "ory",
    "orm": "gaz",
    "pus": "pbu",
    "sqi": "als",
    "srd": "src",
    "swa": "swh",
    "uzb": "uzn",
    "yid": "ydd",
    "zho": "cmn",
}
"""Macrolanguage -> its standard language (CLDR's macrolanguage aliases as in langcodes; `nor`: Bokmaal)."""

AMBIGUOUS: dict[str, str] = {
    "bal": "bgn bcc bgp",
    "bik": "bcl bto rbl",
    "bnc": "lbk bfk obk",
    "bua": "bxr bxm bxu",
    "chm": "mhr mrj",
    "cre": "crk cwd csw crm",
    "del": "umu unm",
    "den": "scs xsl",
    "din": "dik dip dks",
    "doi": "dgo xnr",
    "ful": "fuc fuf fuv fub",
    "gba": "gya gbp bdt",
    "gon": "gno ggo wsg",
    "grb": "gbo grj gec",
    "hai": "hdn hax",
    "hbs": "srp hrv bos",
    "hmn": "mww hnj",
    "iku": "ike ikt",
    "ipk": "esi esk",
    "jrb": "aju yud ajt",
    "kau": "knc kby krt",
    "kln": "spy niq enb",
    "kon": "kng kwy ldi",
    "kpe": "gkp xpe",
    "kur": "kmr ckb sdh",
    "lah": "pnb skr hno",
    "luy": "bxk lrm nyd",
    "man": "mnk emk mlq",
    "mwr": "dhd mtr swv",
    "oji": "ojg ciw ojb",
    "que": "quy quz qve quh qvi",
    "raj": "mup gda wbr",
    "rom": "rmy rmn rmc",
    "syr": "aii cld",
    "tmh": "ttq taq thv",
    "zap": "zai zaw zpa",
    "zha": "zyb zgb zyj",
    "zza": "diq kiu",
}
"""The other macrolanguages, without one standard -> languages in URIEL to choose from."""

RETIRED = {"mol": "ron", "bih": "bho", "scc": "srp", "scr": "hrv"}
"""ISO 639 codes that were withdrawn, or name a collection, but stand in older data sets."""

BIBLIOGRAPHIC = {b: LANGUAGE_ALPHA3[a] for a, b in LANGUAGE_ALPHA3_BIBLIOGRAPHIC.items()}
"""ISO 639-2/B codes (`ger`, `chi`) -> ISO 639-3; none of them is another language's ISO 639-3 code."""

MEANT: dict[str, str] = {
    "bat-smg": "sgs",
    "be-x-old": "bel",
    "bn-rom": "ben",
    "cbk-zam": "cbk",
    "en-simple": "eng",
    "fiu-vro": "vro",
    "hi-rom": "hin",
    "my-zaw": "mya",
    "roa-rup": "rup",
    "simple": "eng",
    "ta-rom": "tam",
    "te-rom": "tel",
    "ur-rom": "urd",
    "zh-classical": "lzh",
}
"""Codes of Wikipedia, and of CC-100 for other scripts (`my_zaw`, `hi_rom`), that break the rules of BCP-47."""

NOT_HERE: dict[str, str] = {
    "als": "is Tosk Albanian in ISO 639-3 and Alemannic in Wikipedia's data; use 'sq' (or 'als-Latn') or 'gsw'",
    "eml": "was split into Emilian and Romagnol; use 'egl' or 'rgn'",
    "map-bms": "is Wikipedia's for Banyumasan, which has no ISO code; use 'jv', the Javanese it belongs to",
    "nrm": "is Narom in ISO 639-3 and Norman in Wikipedia's data; use 'nrm-Latn' or 'nrf'",
    "roa-tara": "is Wikipedia's for Tarantino, which has no ISO code; use 'nap', the Neapolitan it is next to",
}
"""Codes that are refused, and why: they mean two languages, or one without a code."""

NO_LANGUAGE = frozenset({"mis", "mul", "und", "zxx"})
"""ISO 639-3 codes for data of several languages, of an unknown one or of none."""

SCRIPTS = {"Hant": "Traditional", "Hans": "Simplified"}
"""Scripts whose name in IANA's registry says more than a reader needs."""

_STANDARD_OF = {standard: macro for macro, standard in STANDARDS.items()}


def iso639_3(code: str) -> str:
    """Return the ISO 639-3 code of the individual language that a BCP-47 or ISO 639 code names.

    Codes are not normalised by CLDR, which turns `tl` (Tagalog) into `fil` (Filipino): `tl` is `tgl`.
    Script and region are dropped: `zh-Hant` is `cmn`.

    Raises:
        InputError: the code names no language, is artificial (`x-...`), or names several written standards.

    Example:
        >>> from analyses import iso639_3
        >>> [iso639_3(code) for code in ("sw", "tl", "zh-Hant", "ar", "en-simple")]
        ['swh', 'tgl', 'cmn', 'arb', 'eng']
    """
    if not isinstance(code, str):
        raise InputError(f"language code {code!r} is no text; expected a code such as 'sw' or 'swh'")
    if code.startswith("x-"):
        raise InputError(
            f"{code!r} is an artificial language; pass a LANGUAGES table that holds its features"
        )
    plain = code.replace("_", "-").lower()
    if plain in NOT_HERE:
        raise InputError(f"language code {code!r} {NOT_HERE[plain]}")
    alpha3 = MEANT.get(plain) or _alpha3(_registry().grandfathered.get(plain, code))
    # Refused, for a guess among Kurdish or Quechua languages would be another language's features.
    if alpha3 in AMBIGUOUS:
        choices = ", ".join(AMBIGUOUS[alpha3].split())
        raise InputError(
            f"language code {code!r} names several languages; use one of them, such as {choices}"
        )
    return STANDARDS.get(alpha3, alpha3)


def english_name(code: str) -> str:
    """Return the English name of a language, its script where the code states one; empty for a code without a name.

    The names of IANA's registry without what stands in brackets: `el` is Modern Greek, not Modern Greek (1453-).

    Example:
        >>> from analyses import english_name
        >>> [english_name(code) for code in ("sw", "zh-Hant", "x-sov")]
        ['Swahili', 'Chinese (Traditional)', '']
    """
    if code.startswith("x-"):
        return ""
    tag = langcodes.get(code, normalize=False)
    names = _registry().names
    language = names.get(tag.language or "", "").partition(" (")[0]
    script = SCRIPTS.get(tag.script or "") or names.get(tag.script or "", "").partition(" (")[0]
    return f"{language} ({script})" if script else language


def macrolanguage(alpha3: str) -> str | None:
    """Return the macrolanguage whose standard this individual language is, or None."""
    return _STANDARD_OF.get(alpha3)


@dataclass(frozen=True)
class _Registry:
    """What IANA's registry of subtags says: collections, (prefix, extended language), renamed tags, names."""

    collections: frozenset[str]
    extended: frozenset[tuple[str, str]]
    grandfathered: dict[str, str]
    names: dict[str, str]


@cache
def _registry() -> _Registry:
    """Read the registry that comes with langcodes once (.3 s)."""
    items = list(parse_registry())
    renamed = [i for i in items if i["Type"] == "grandfathered" and "Preferred-Value" in i]
    return _Registry(
        frozenset(i["Subtag"] for i in items if i.get("Scope") == "collection"),
        frozenset((i["Prefix"][0], i["Subtag"]) for i in items if i["Type"] == "extlang"),
        {i["Tag"].lower(): i["Preferred-Value"] for i in renamed},
        {i["Subtag"]: i["Description"][0] for i in items if i["Type"] in ("language", "script")},
    )


def _alpha3(code: str) -> str:
    """Return the three-letter code of the language subtag, or of the extended one (`zh-yue`: `yue`)."""
    try:
        if not langcodes.tag_is_valid(code):
            raise LookupError
        tag = langcodes.Language.get(code, normalize=False)
        # langcodes takes any three letters after a language for an extended one: `cbk-zam` is no `zam`.
        if any((tag.language, extended) not in _registry().extended for extended in tag.extlangs or ()):
            raise LookupError
        alpha3 = tag.extlangs[0] if tag.extlangs else tag.to_alpha3()
    except (LookupError, ValueError):
        raise InputError(
            f"unknown language code {code!r}; expected ISO 639-1, ISO 639-3 or BCP-47, such as 'sw' or 'swh'"
        ) from None
    alpha3 = RETIRED.get(alpha3) or BIBLIOGRAPHIC.get(alpha3, alpha3)
    if alpha3 in NO_LANGUAGE or "qaa" <= alpha3 <= "qtz":
        raise InputError(f"language code {code!r} names no one language; use the code of the data's language")
    if alpha3 in _registry().collections:
        raise InputError(
            f"language code {code!r} names a group of languages; use the code of the data's language"
        )
    return alpha3
