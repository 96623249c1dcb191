"""Order of intermediates: does A after the conflicting A* help more than A* after A?

A* is A flipped for half of the nouns, so that the two intermediates interfere.
"""

from analyses.questions.answer import Answer, unanswerable
from analyses.questions.replicates import assignments, replicate_forest, replicate_interval
from analyses.questions.scores import UNIT, main_scores
from analyses.questions.wording import count, effect, verdict
from analyses.run import Run

NAME, TITLE = "order", "Order of intermediates"
QUESTION = "Does a target use more of what was learned last, when two intermediates conflict?"
LAST, FIRST = "w-tag-a-star>w-tag-a", "w-tag-a>w-tag-a-star"
SPLIT = "test/unseen"
TARGETS = ("w-is-a", "w-share-a")


def answer(run: Run) -> Answer | None:
    """Answer from a run with both orders of w-tag-a and w-tag-a-star; None for any other run."""
    scores = main_scores(run)
    if not {LAST, FIRST} <= set(scores["intermediate"]):
        return None
    rows = scores[
        (scores["split"] == SPLIT) & (scores["language"] == run.pivot) & scores["target"].isin(TARGETS)
    ]
    wide = rows[rows["intermediate"].isin([LAST, FIRST])]
    wide = wide.set_index(["target", *UNIT, "intermediate"])["value"].unstack("intermediate").dropna()
    if wide.shape[1] < 2 or wide.empty:
        return unanswerable(
            NAME, TITLE, QUESTION, "The run cannot tell: no replicate has both orders scored on unseen nouns."
        )
    difference = (wide[LAST] - wide[FIRST]).unstack("target")
    units = assignments(difference)
    tests = {
        target: replicate_interval(units, target, "A*>A minus A>A*")
        for target in TARGETS
        if target in difference
    }
    first = next(iter(tests.values()))
    better = "better" if first.estimate > 0 else "worse"
    positive = int((first.distribution > 0).sum())
    return Answer(
        name=NAME,
        title=TITLE,
        question=QUESTION,
        sentence=(
            f"{verdict(first)}: learning A last is {better} than learning A first by {effect(first)} on unseen "
            f"nouns of the pivot ({positive} of {count(len(first.distribution), 'replicate')} with a gain)."
        ),
        inferences=tests,
        primary_test=next(iter(tests)),
        figures=(
            replicate_forest(
                {("", target, ""): test for target, test in tests.items()},
                name="order",
                title="Learning A last minus learning A first",
                caption="Pivot, unseen nouns; faint dots are the replicates.",
                x="difference, points",
            ),
        ),
        what_would_change="More assignments of the attributes; other strengths of the conflict than half of the nouns.",
        not_shown=(
            "Forgetting: interference between two sets of labels for the same nouns gives the same difference.",
        ),
        flags=units.flags,
    )
