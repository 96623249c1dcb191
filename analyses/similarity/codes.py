"""Language codes, fail-closed: every code becomes one ISO 639-3 code of an individual language, or an error.

A macrolanguage code (`ar`, `zh`) stands for a group of languages. Where one of them is what such data are
written in, `STANDARDS` names it; where several are, `AMBIGUOUS` lists them and the code is refused.
"""

import langcodes

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

RETIRED = {"mol": "ron", "bih": "bho"}
"""ISO 639 codes that were withdrawn, or name a collection, but stand in older data sets."""

NO_LANGUAGE = frozenset({"mis", "mul", "und", "zxx"})
"""ISO 639-3 codes for data of several languages, of an unknown one or of none."""

_STANDARD_OF = {standard: macro for macro, standard in STANDARDS.items()}


def iso639_3(code: str) -> str:
    """Return the ISO 639-3 code of the individual language that a BCP-47 or ISO 639 code names.

    Codes are not normalised by CLDR, which turns `tl` (Tagalog) into `fil` (Filipino): `tl` is `tgl`.
    Script and region are dropped: `zh-Hant` is `cmn`.

    Raises:
        InputError: the code names no language, is artificial (`x-...`), or names several written standards.
    """
    if not isinstance(code, str):
        raise InputError(f"language code {code!r} is no text; expected a code such as 'sw' or 'swh'")
    if code.startswith("x-"):
        raise InputError(
            f"{code!r} is an artificial language; pass a LANGUAGES table that holds its features"
        )
    alpha3 = _alpha3(code)
    if alpha3 in AMBIGUOUS:
        choices = ", ".join(AMBIGUOUS[alpha3].split())
        raise InputError(
            f"language code {code!r} names several languages; use one of them, such as {choices}"
        )
    return STANDARDS.get(alpha3, alpha3)


def macrolanguage(alpha3: str) -> str | None:
    """Return the macrolanguage whose standard this individual language is, or None."""
    return _STANDARD_OF.get(alpha3)


def _alpha3(code: str) -> str:
    """Return the three-letter code of the language subtag, or of the extended one (`zh-yue`: `yue`)."""
    try:
        if not langcodes.tag_is_valid(code):
            raise LookupError
        tag = langcodes.Language.get(code, normalize=False)
        alpha3 = tag.extlangs[0] if tag.extlangs else tag.to_alpha3()
    except (LookupError, ValueError):
        raise InputError(
            f"unknown language code {code!r}; expected ISO 639-1, ISO 639-3 or BCP-47, such as 'sw' or 'swh'"
        ) from None
    if alpha3 in NO_LANGUAGE or "qaa" <= alpha3 <= "qtz":
        raise InputError(f"language code {code!r} names no one language; use the code of the data's language")
    return RETIRED.get(alpha3, alpha3)
