"""Where examples come from. A source answers two questions: which revision its data have, and what they are.

The embedded world makes its examples; those of real tasks stand in a folder of native files, or in Parquet data
sets of the Hugging Face hub that `simxfer fetch` brought into the local cache.
"""

from collections.abc import Sequence
from dataclasses import replace

from simxfer.common.errors import InputError
from simxfer.common.streams import stream_seed
from simxfer.sources import parallel
from simxfer.sources.origin import answered_by
from simxfer.sources.perturb import CLEAN, parse
from simxfer.sources.perturb.code_mix import mark_of
from simxfer.sources.perturb.examples import perturbed
from simxfer.sources.request import HELD_OUT, KEPT, UNRESOLVED, DataRequest
from simxfer.tasks.examples import AnyExample, Examples, MiningExample, RankingExample

LEFT_OUT = "left-out-as-leaks"
"""Note of rows that are left out of training data because they share an item with scored rows."""
_HELD_OUT_SHARE = 20


def revision(request: DataRequest) -> str:
    """Return the revision of the data of a request: equal revisions are equal data.

    It begins with the name of the source and ends with `UNRESOLVED` where the data are not at hand. That of a parallel
    test set counts the English items at hand as well, which it is checked against; that of mixed text the lexicon.
    """
    asked = request.whole
    own = str(answered_by(asked, "revision")(asked))
    return own if own.endswith(UNRESOLVED) else own + parallel.mark_of(asked) + mark_of(request)


def read_examples(request: DataRequest) -> Examples:
    """Return the examples, or raise an InputError that says what is missing and how to get it.

    Parallel test sets are checked against their English (`simxfer.sources.parallel`).
    """
    part = request.split.endswith((KEPT, HELD_OUT))
    asked = replace(request.whole, limit=None) if part else request.whole  # the limit draws from the part
    found = answered_by(asked, "read_examples")(asked)
    found = parallel.checked(found, asked) if isinstance(found, Examples) else Examples(found)
    examples: Sequence[AnyExample] = found
    if part:
        out = request.split.endswith(HELD_OUT)
        examples = [e for e in examples if _is_searched(e) or (_rank(e) % _HELD_OUT_SHARE == 0) == out]
    if request.without:
        without = frozenset(request.without)
        found.noted[LEFT_OUT] = sum(e.id in without for e in examples)
        examples = [e for e in examples if e.id not in without]
    examples = sampled(examples, request.limit, request.share)
    if not examples:
        left_out = ", ".join(f"{flag}: {count}" for flag, count in found.noted.items()) or "none at all"
        raise InputError(
            f"{request.task} has no usable {request.split} examples in {request.language} ({left_out}); bring its "
            "files anew, or leave the language out"
        )
    read = Examples(examples, found.without_gold, found.noted)
    if request.perturbation == CLEAN:
        return read
    return perturbed(read, replace(parse(request.perturbation), request=request))


def sampled(
    examples: Sequence[AnyExample], limit: int | None, share: tuple[int, int] = (0, 1)
) -> list[AnyExample]:
    """Return at most `limit` examples in their order, drawn by their ids: parallel test sets keep the same ones.

    With `share` (i, n) they are dealt out to n hands, and the i-th is returned: n languages of a parallel set get
    different items, and together those that one language alone would get.

    Of ranking data queries are drawn, and all that they search is kept. Mining data stay whole: few of their
    sentences have a translation, and the score is about finding which.
    """
    asked = [e for e in examples if not _is_searched(e)]
    turn, hands = share
    all_of_it = hands == 1 and (limit is None or len(asked) <= limit)
    if all_of_it or not examples or isinstance(examples[0], MiningExample):
        return list(examples)
    kept = {e.id for e in sorted(asked, key=_rank)[:limit][turn::hands]}
    return [e for e in examples if _is_searched(e) or e.id in kept]


def _is_searched(example: AnyExample) -> bool:
    """Tell whether an example is a candidate that queries search, and asks nothing itself."""
    return isinstance(example, RankingExample) and example.side == "candidate"


def _rank(example: AnyExample) -> int:
    return stream_seed("sample", example.id)
