"""Where the sentences of a text begin and end, by punctuation alone."""

import re
from itertools import pairwise

_ENDS = re.compile(
    r"""(?P<stop>[.!?…؟۔]+)["'”’»)\]]*(?:\[[\w ?]{1,20}\])*\s+(?=(?P<next>["'“‘«(\[]*\S))"""
    r"""|[。！？।॥]+["'”’」』）)]*\s*"""
)
_ABBREVIATION = re.compile(
    r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|Prof|Rev|Fr|St|Lt|Gen|Col|Maj|Capt|Sgt|Gov|Sen|Pres|Mt|Ft|No|Vol|Art|Sec|Jan|Feb|Aug|"
    r"Sept|Oct|Nov|Dec|vs?|cf|ca|pp?|approx|e\.g|i\.e|et al)$"
)


def sentence_spans(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of every sentence, in characters; the blanks between sentences belong to none.

    A sentence ends behind `.`, `!`, `?`, `…` (and the Arabic and Urdu marks), closing quotes and brackets included,
    if a blank follows and then no lower-case letter; and behind a full-width or Devanagari full stop. A dot behind
    one capital letter or one of a few English abbreviations ends no sentence.
    """
    cuts = [0, *(m.end() for m in _ENDS.finditer(text) if _ends(text, m)), len(text)]
    spans = []
    for start, end in pairwise(cuts):
        inside = text[start:end]
        if inside.strip():
            spans.append((start + len(inside) - len(inside.lstrip()), start + len(inside.rstrip())))
    return spans


def _ends(text: str, match: re.Match[str]) -> bool:
    if match["stop"] is None:
        return True
    if match["next"].lstrip("\"'“‘«([")[:1].islower():
        return False
    dot_alone = match["stop"] == "." and text[match.end("stop")].isspace()
    return not (dot_alone and _ABBREVIATION.search(text[max(0, match.start() - 12) : match.start()]))
