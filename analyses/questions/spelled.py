"""Methods as the results table spells them: `adversarial(strength=0.5)>full` -> phases, names, parameters."""

import re

Phase = tuple[str, dict[str, str]]
_PHASE = re.compile(r"([a-z-]+)(?:\((.*)\))?")


def phases(method: str) -> tuple[Phase, Phase]:
    """Return (name, parameters) of the intermediate stages and of the target stage; one name alone is both.

    A parameter without a value, such as `pfeiffer`, has itself as key and an empty value; those at their default are
    not spelled.
    """
    found = [_phase(part) for part in method.split(">")]
    return found[0], found[-1]


def _phase(text: str) -> Phase:
    call = _PHASE.fullmatch(text.strip())
    if call is None:  # a table of others may call its methods as it likes
        return text, {}
    parts = [part.partition("=") for part in (call[2] or "").split(",") if part]
    return call[1], {key.strip(): value.strip() for key, _, value in parts}
