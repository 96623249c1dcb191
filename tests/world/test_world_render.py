import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simxfer.common.streams import stream
from simxfer.world import LANGUAGES
from simxfer.world.corpus import asked_about, draw_asked
from simxfer.world.lexicon import ACCUSATIVE, LOCATIVE, NEGATIVE, gloss, lexicon
from simxfer.world.meanings import (
    AGENT,
    ANSWER,
    MEANING_FIELDS,
    NONE,
    PATIENT,
    PLACE,
    clauses,
    draw_events,
    draw_states,
    get_world,
)
from simxfer.world.ontology import COPULA, DETERMINER, GROUPS, HYPERNYM, N_CONCEPTS, NEGATION, SYNONYM
from simxfer.world.render import NOUN_SLOT, fill_slots, render

PIVOT = LANGUAGES["x-pivot"]
_HIDDEN = {AGENT: "agent", PATIENT: "patient", PLACE: "place"}


def some_clauses(seed: int, n: int = 400) -> np.ndarray:
    """Events (some with synonyms), questions, answers and states."""
    world, rng = get_world(0), stream("test-render", seed)
    events = draw_events(world, rng, n)
    synonyms = draw_events(world, rng, n)
    synonyms = synonyms[SYNONYM[synonyms["verb"]] != NONE]
    synonyms["verb"] = SYNONYM[synonyms["verb"]]
    questions = asked_about(events, draw_asked(rng, events))
    answers = questions.copy()
    answers["form"] = ANSWER
    states = draw_states(world, rng, rng.choice(np.flatnonzero(world.has_adjective).astype(np.int16), n))
    return np.concatenate([events, synonyms, questions, answers, states])


def visible(clause: np.ndarray) -> tuple:
    """What a clause tells: all meaning fields but those it asks for; an answer tells these alone."""
    told = {name: int(clause[name]) for name in MEANING_FIELDS}
    hidden = _HIDDEN.get(told["asked"], "")
    part = [
        name
        for name in told
        if hidden and (name.startswith(hidden) or (hidden, name) == ("place", "relation"))
    ]
    keep = part if told["form"] == ANSWER else [name for name in told if name not in part]
    return (
        told["form"],
        told["asked"] if told["form"] != ANSWER else 0,
        *((name, told[name]) for name in keep),
    )


@pytest.mark.parametrize("code", LANGUAGES)
@settings(max_examples=5, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_different_meanings_are_different_sentences(code, seed):
    said = some_clauses(seed)
    said = said[said["form"] != ANSWER]  # a bare noun phrase is understood only from its question
    meaning_of: dict[str, tuple] = {}
    for clause, text in zip(said, render(said, LANGUAGES[code]).texts(lexicon(0, code)), strict=True):
        assert meaning_of.setdefault(text, visible(clause)) == visible(clause)


def one_event() -> np.ndarray:
    """`animal0 (adjective3) eats 2 food1 (adjective0) at place5, time2, negated`."""
    event = clauses(1)
    noun = {name: GROUPS[name].start for name in GROUPS}
    event["verb"], event["agent"], event["agent_adjective"] = noun["verb"], 0, noun["adjective"] + 3
    event["patient"], event["patient_adjective"] = noun["food"] + 1, noun["adjective"]
    event["patient_number"] = noun["digit"]
    event["place"], event["relation"], event["time"] = (
        noun["place"] + 5,
        noun["relation"] + 1,
        noun["time"] + 2,
    )
    event["negated"] = 1
    return event


@pytest.mark.parametrize(
    ("code", "usual"),
    [
        ("x-pivot", "time2 the adjective3 animal0 not verb0 2 adjective0 food1 relation1 the place5 ."),
        ("x-sov", "time2 the adjective3 animal0 relation1 the place5 2 adjective0 food1 not verb0 ."),
        ("x-vso", "time2 not verb0 the adjective3 animal0 2 adjective0 food1 relation1 the place5 ."),
        ("x-na", "time2 the animal0 adjective3 not verb0 2 food1 adjective0 relation1 the place5 ."),
        ("x-post", "time2 the adjective3 animal0 not verb0 2 adjective0 food1 the place5 relation1 ."),
        ("x-nodet", "time2 adjective3 animal0 not verb0 2 adjective0 food1 relation1 place5 ."),
        ("x-fus", "time2 the adjective3 animal0 not verb0 2 adjective0 food1-ACC relation1 the place5 ."),
        ("x-agg", "time2 the adjective3 animal0 verb0-NEG 2 adjective0 food1-ACC the place5-LOC1 ."),
        ("x-b1", "time2 adjective3 animal0 place5-LOC1 2 adjective0 food1-ACC verb0-NEG ."),
        ("x-c2", "time2 not verb0 the animal0 adjective3 2 food1-ACC adjective0 relation1 the place5 ."),
        ("x-d1", "time2 adjective3 animal0 place5 relation1 2 adjective0 food1-ACC not verb0 ."),
    ],
)
def test_word_order_worked_by_hand(code, usual):
    assert " ".join(map(gloss, render(one_event(), LANGUAGES[code]).words)) == usual


@pytest.mark.parametrize(
    ("code", "asked", "question", "answer"),
    [
        (
            "x-pivot",
            PATIENT,
            "what time2 the adjective3 animal0 not verb0 relation1 the place5 ?",
            "2 adjective0 food1 .",
        ),
        (
            "x-insitu",
            PATIENT,
            "time2 the adjective3 animal0 not verb0 what relation1 the place5 ?",
            "2 adjective0 food1 .",
        ),
        ("x-b1", PLACE, "time2 adjective3 animal0 where 2 adjective0 food1-ACC verb0-NEG ?", "place5-LOC1 ."),
        (
            "x-c1",
            AGENT,
            "who time2 not verb0 2 food1 adjective0 relation1 the place5 ?",
            "the animal0 adjective3 .",
        ),
    ],
)
def test_questions_and_answers_worked_by_hand(code, asked, question, answer):
    questions = asked_about(one_event(), np.array([asked]))
    answers = questions.copy()
    answers["form"] = ANSWER
    assert " ".join(map(gloss, render(questions, LANGUAGES[code]).words)) == question
    assert " ".join(map(gloss, render(answers, LANGUAGES[code]).words)) == answer


def test_fronting_moves_the_place_and_is_no_part_of_the_meaning():
    event = one_event()
    event["fronted"] = 1
    words = list(map(gloss, render(event, PIVOT).words))
    assert words[:3] == ["relation1", "the", "place5"]
    assert words[-2] == "time2"
    assert sorted(words) == sorted(map(gloss, render(one_event(), PIVOT).words))


@pytest.mark.parametrize("code", ["x-sov", "x-vso", "x-na", "x-post"])
def test_order_pairs_say_the_same_words(code):
    said = some_clauses(1)
    ours, pivot = render(said, LANGUAGES[code]), render(said, PIVOT)
    assert ours.words.size == pivot.words.size
    moved = 0
    for a, b, c, d in zip(pivot.offsets, pivot.offsets[1:], ours.offsets, ours.offsets[1:], strict=False):
        assert sorted(pivot.words[a:b]) == sorted(ours.words[c:d])
        moved += list(pivot.words[a:b]) != list(ours.words[c:d])
    assert moved > 0


def test_the_other_pairs_differ_as_their_switch_says():
    said = some_clauses(2)
    pivot = fill_slots(said, PIVOT)
    without = np.where(pivot == DETERMINER, NONE, pivot)
    assert (fill_slots(said, LANGUAGES["x-nodet"]) == without).all()
    for code in ("x-cyrl", "x-lex"):
        assert (fill_slots(said, LANGUAGES[code]) == pivot).all()

    in_situ = fill_slots(said, LANGUAGES["x-insitu"])
    questions = said["form"] == 1
    assert (in_situ[~questions] == pivot[~questions]).all()
    assert (in_situ[questions] != pivot[questions]).any(axis=1).all()

    fusional = fill_slots(said, LANGUAGES["x-fus"])
    marked = fusional != pivot
    assert set(np.flatnonzero(marked.any(axis=0))) == {NOUN_SLOT[PATIENT]}
    assert (fusional[marked] // N_CONCEPTS == ACCUSATIVE).all()
    assert not marked[said["verb"] == COPULA].any()

    suffixing = fill_slots(said, LANGUAGES["x-agg"])
    stems = np.where(suffixing == NONE, NONE, suffixing % N_CONCEPTS)
    bound = np.isin(pivot, [NEGATION, *GROUPS["relation"]])
    assert (stems == np.where(bound, NONE, pivot)).all()
    n_negated = (pivot == NEGATION).sum()
    assert (suffixing // N_CONCEPTS == NEGATIVE).sum() == n_negated
    assert (suffixing // N_CONCEPTS >= LOCATIVE).sum() == np.isin(pivot, list(GROUPS["relation"])).sum()


def test_events_keep_to_the_frames_of_their_verbs():
    events = draw_events(get_world(0), stream("frames"), 20_000)
    assert (events["agent"] != events["patient"]).all()
    eat = events[events["verb"] == GROUPS["verb"].start]
    assert np.isin(eat["patient"], list(GROUPS["food"])).all()
    there = events["place"] != NONE
    assert np.isin(events["place"][there], [*GROUPS["city"], *GROUPS["place"]]).all()
    assert (events["relation"][there] != NONE).all()
    assert (events["relation"][~there] == NONE).all()
    assert there.mean() == pytest.approx(0.5, abs=0.02)
    assert events["negated"].mean() == pytest.approx(0.12, abs=0.01)
    assert (HYPERNYM[events["patient"][events["patient_number"] != NONE]] != NONE).all()


def test_where_a_name_could_be_a_person_or_an_organisation_it_is_the_person():
    from simxfer.world.ontology import HOMONYMS

    world, rng = get_world(0), stream("homonyms")
    events = draw_events(world, rng, 50_000)
    for concept, person in HOMONYMS.items():
        for role in ("agent", "patient"):
            as_name = set(events["verb"][events[role] == concept])
            assert not as_name & set(events["verb"][events[role] == person])
        assert not world.has_adjective[concept]
