"""Perturbations: identity at 0, the same draws everywhere, words keep their tags and answers their places."""

import csv
import re
import tempfile
import unicodedata
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from simxfer.common.errors import InputError
from simxfer.schema.tables import ANSWERS_HIT, WORDS, WORDS_CHANGED
from simxfer.sources import read_examples, revision
from simxfer.sources.files import read_files
from simxfer.sources.perturb import MIXES, PERTURBATIONS, Perturbation, changed, clusters, load, parse
from simxfer.sources.perturb.code_mix import mark_of, read_lexicon
from simxfer.sources.perturb.examples import NOT_AVAILABLE, can_change, perturbed, reach
from simxfer.sources.request import DataRequest
from simxfer.tasks import TASKS
from simxfer.tasks.examples import ClassificationExample, Examples, SpanExample, TaggingExample
from simxfer.world.lexicon import lexicon

PACK = Path(__file__).parents[2] / ".." / "shared" / "pack"
TEXT = "The naïve café owner said, that nothing happened yesterday in Saint-Étienne ( or so ) ."
SENTENCE = TEXT.split()
MOVING = {"order", "local-order", "word-drop", "word-repeat", "spacing"}
"""Those that move, multiply or join words; all others change words in their places."""
PIVOT = DataRequest("w-xnli", "test", "x-pivot")
LEXICONS = tempfile.TemporaryDirectory()
(Path(LEXICONS.name) / "en-en.txt").write_text(
    "".join(
        f"{word.lower()} {word.lower()}{other}\n" for word in SENTENCE if word.isalpha() for other in "xyz"
    )
)
NEIGHBOURS = DataRequest("xnli", "test", "en", lexicons=LEXICONS.name)


def made(name: str, strength: float) -> Perturbation:
    request = NEIGHBOURS if name == "substitute" else PIVOT
    return Perturbation(name, strength, "x-d1" if name in MIXES else "", request)


def sentence_of(name: str) -> list[str]:
    """Return words that a perturbation can change: of those that mix languages, words of their lexicon."""
    return list(lexicon(0, "x-pivot").words[:16]) if name in MIXES else SENTENCE


def words_under(name: str, strength: float, words=None, key: str = "1") -> list[tuple[int, str]]:
    return made(name, strength).apply(list(words or sentence_of(name)), key, "text")


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_the_registry_resolves_and_0_is_the_identity(name):
    assert callable(load(name))
    assert words_under(name, 0.0) == list(enumerate(sentence_of(name)))
    assert made(name, 0.5).apply([], "1") == []
    assert [word for _, word in words_under(name, 1.0)] != sentence_of(name)


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_draws_are_the_examples_own(name):
    assert words_under(name, 0.7) == words_under(name, 0.7)
    several = {tuple(words_under(name, 0.5, key=str(i))) for i in range(12)}
    assert len(several) > 1


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_more_strength_changes_more_on_average(name):
    counts = [
        np.mean([changed(sentence_of(name), words_under(name, s, key=str(i))) for i in range(60)])
        for s in (0.1, 0.4, 0.9)
    ]
    assert counts[0] < counts[1] < counts[2]


@pytest.mark.parametrize("name", sorted(set(PERTURBATIONS) - MOVING))
def test_what_changes_at_a_strength_changes_at_every_greater_one(name):
    weak, strong = words_under(name, 0.3), words_under(name, 0.8)
    words = sentence_of(name)
    assert [i for i, _ in weak] == [i for i, _ in strong] == list(range(len(words)))
    for (_, a), (_, b), word in zip(weak, strong, words, strict=True):
        assert a in (word, b)


def test_each_of_them_by_hand():
    def one(name, word):
        [(_, new)] = Perturbation(name, 1.0).apply([word], "1")
        return new

    assert one("swap", "ab") == "ba" and one("swap", "aa") == "aa" and one("swap", "क्षि") == "क्षि"
    assert one("drop", "ab") in ("a", "b") and one("drop", "a") == "a"
    assert one("repeat", "a") == "aa" and one("repeat", "नि") == "निनि"
    assert one("case", "Paris") == "pARIS" and one("case", "北京") == "北京"
    assert one("accents", "Étienne") == "Etienne" and one("accents", "ёж") == "еж"
    assert (
        one("accents", "बिक्री") == "बिक्री"
        and one("accents", "ガ") == "ガ"
        and one("accents", "한글") == "한글"
    )
    assert one("punctuation", "said,") == "said" and one("punctuation", "...") == "..."
    assert sorted(w for _, w in words_under("order", 1.0)) == sorted(SENTENCE)
    assert words_under("local-order", 1.0, ["a", "b", "c"]) == [(1, "b"), (0, "a"), (2, "c")]
    assert len(words_under("word-drop", 1.0)) == 1 and len(words_under("word-repeat", 1.0)) == 2 * len(
        SENTENCE
    )


def test_letters_with_their_marks_are_never_taken_apart():
    for word in ("बिक्री", "ภาษาไทย", "நிலம்", "e\u0301te\u0301"):
        units = set(clusters(word))
        for name in ("swap", "drop", "repeat"):
            for i in range(20):
                [(_, new)] = Perturbation(name, 1.0).apply([word], str(i))
                assert set(clusters(new)) <= units, (name, word, new)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("swop(0.2)", "unknown perturbation 'swop'. Did you mean 'swap'"),
        ("swap", "cannot be read; write it as NAME"),
        ("swap(2)", "has strength 2; expected more than 0, at most 1"),
        ("swap(0)", "has strength 0"),
        ("swap(a)", "cannot be read"),
        ("swap(0.2,de)", "cannot be read; write it as NAME"),
        ("code-mix(0.2)", "write it as code-mix(STRENGTH,LANGUAGE)"),
        ("code-mix(0.2,avg)", "write it as code-mix(STRENGTH,LANGUAGE)"),
        ("worst(0.2)", "write it as worst(k=NUMBER,PERTURBATION)"),
        ("worst(k=0,swap(0.2))", "write it as worst(k=NUMBER,PERTURBATION)"),
        ("worst(k=2,worst(k=2,swap(0.2)))", "write it as worst(k=NUMBER,PERTURBATION)"),
        ("worst(k=2,swap(0.2)#1)", "write it as worst(k=NUMBER,PERTURBATION)"),
        ("worst(k=2,adversarial(substitute(0.2)))", "write it as worst(k=NUMBER,PERTURBATION)"),
        ("adversarial(swap(0.2))", "write it as adversarial(code-mix(STRENGTH,LANGUAGE))"),
        ("adversarial", "write it as adversarial(code-mix(STRENGTH,LANGUAGE))"),
        ("adversarial(substitute(0.2)#1)", "write it as adversarial(code-mix(STRENGTH,LANGUAGE))"),
        ("adversarial(adversarial(substitute(0.2)))", "write it as adversarial(code-mix(STRENGTH,LANGUAGE))"),
        ("adversarial(code-mix(0.2))", "write it as code-mix(STRENGTH,LANGUAGE)"),
        ("adversaril(0.2)", "unknown perturbation 'adversaril'. Did you mean 'adversarial'"),
        ("worst(k=2,pgd(0.2))", "write it as worst(k=NUMBER,PERTURBATION)"),
        ("pgd(0.2)#1", "write it as NAME(STRENGTH)"),
        ("worst(k=2,swop(0.2))", "unknown perturbation 'swop'. Did you mean 'swap'"),
    ],
)
def test_what_no_perturbation_is_is_refused(text, message):
    with pytest.raises(InputError, match=re.escape(message)):
        parse(text)
    assert str(parse(" swap( 0.20 ) ")) == "swap(0.2)"
    assert str(parse("code-mix(0.20, de )")) == "code-mix(0.2,de)"


@pytest.mark.parametrize("one", ["swap(0.2)", "code-mix(0.2,de)"])
def test_the_worst_of_k_is_spelled_by_its_first_k_draws(one):
    spelled = f"worst(k=3,{one})"
    assert str(parse(f" worst( k = 3 , {one} )")) == str(parse(spelled)) == spelled
    assert [str(draw) for draw in parse(spelled).draws] == [one, f"{one}#1", f"{one}#2"]
    assert parse(f"worst(k=1,{one})") == parse(one) == parse(f"{one}#0") and parse(one).draws == (parse(one),)
    assert parse(spelled).draws == tuple(map(parse, (one, f"{one}#1", f"{one}#2")))


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_draws_of_a_perturbation_differ_and_are_available_alike(name):
    first = made(name, 0.6)
    words = sentence_of(name)
    drawn = {tuple(replace(first, draw=i).apply(words, "1", "text")) for i in range(12)}
    assert len(drawn) > 1 and tuple(first.apply(words, "1", "text")) in drawn
    assert replace(first, strength=0.0, draw=3).apply(words, "1") == list(enumerate(words))
    examples = Examples([ClassificationExample(id=str(i), text=" ".join(words), label="x") for i in range(3)])
    assert len({reach(examples, replace(first, draw=i)) for i in range(6)}) == 1


def test_tags_move_with_their_words():
    example = TaggingExample(id="1", words=tuple(SENTENCE), tags=tuple(map(str, range(len(SENTENCE)))))
    for name in PERTURBATIONS:
        [found] = perturbed(Examples([example]), made(name, 0.6))
        assert len(found.words) == len(found.tags)
        if name in ("spacing", "code-mix"):  # tags have the words as they are; not in the lexicon
            assert found == example
        elif name in MOVING:
            assert all(SENTENCE[int(tag)] == word for word, tag in zip(found.words, found.tags, strict=True))
        else:
            assert found.tags == example.tags


def test_an_answer_that_is_hit_leaves_its_example_clean_and_is_counted():
    context = "One day the river ran past the old town and into the sea ."
    examples = [
        SpanExample(
            id=str(i), question="Where did it run ?", context=context, answers=((27, "the old town"),)
        )
        for i in range(60)
    ]
    assert context[27:39] == "the old town"
    found = perturbed(Examples(examples), parse("drop(0.4)"))
    hit = sum(new is old for new, old in zip(found, examples, strict=True))
    assert found.noted[ANSWERS_HIT] == hit and 10 < hit < 58
    for new in found:
        start, answer = new.answers[0]
        assert new.context[start : start + len(answer)] == answer == "the old town"


def test_the_share_that_really_changed_stands_beside_the_strength():
    examples = [
        ClassificationExample(id=str(i), text="a bb a", text_pair="cc a", label="x") for i in range(200)
    ]
    found = perturbed(Examples(examples), parse("repeat(0.25)"))
    assert found.noted[WORDS_CHANGED] / found.noted[WORDS] == pytest.approx(0.25, abs=0.05)
    assert [e.id for e in found] == [e.id for e in examples] and {e.label for e in found} == {"x"}


@pytest.mark.parametrize(
    ("perturbation", "text", "expected"),
    [
        ("word-repeat(1)", "so it is.", "so so it it is. is."),
        ("word-repeat(1)", " one\n", " one one\n"),
        ("local-order(1)", "so  it was here .", "it so  here was ."),
        ("repeat(1)", "a  b\tc ", "aa  bb\tcc "),
        ("word-repeat(1)", "好", "好 好"),
    ],
)
def test_words_of_a_text_stay_apart(perturbation, text, expected):
    [found] = perturbed(Examples([ClassificationExample(id="1", text=text, label="x")]), parse(perturbation))
    assert found.text == expected


@pytest.mark.parametrize("name", PERTURBATIONS)
def test_a_text_holds_the_words_that_its_perturbation_gives(name):
    for i in range(20):
        example = ClassificationExample(id=str(i), text=" ".join(sentence_of(name)), label="x")
        [found] = perturbed(Examples([example]), made(name, 0.6))
        assert found.text.split() == " ".join(word for _, word in words_under(name, 0.6, key=str(i))).split()


def test_what_a_perturbation_has_nothing_for_is_not_available():
    def noted(name: str, text: str, language: str = "en") -> bool:
        examples = [ClassificationExample(id=str(i), text=text, label="x") for i in range(9)]
        how = Perturbation(name, 0.5, request=DataRequest("xnli", "test", language))
        found = perturbed(Examples(examples), how)
        assert not found.noted[NOT_AVAILABLE] or list(found) == examples
        return bool(found.noted[NOT_AVAILABLE])

    assert noted("swap", "a bb a") and not noted("swap", "ab")  # no word with two letters that differ
    assert noted("case", "यह हिन्दी है और उसने मुझे Word में देखा") and not noted("case", "это русский")
    assert noted("typos", "他在北京的一家公司工作了很久 Google", "zh") and not noted(
        "typos", "यह हिन्दी है", "hi"
    )
    assert (
        noted("lookalikes", "আমি আজ বাড়ি যাব Windows")
        and noted("accents", "क़लम है")
        and not noted("lookalikes", "so it is")
    )
    tagged = Examples([TaggingExample(id="1", words=("so", "long"), tags=("A", "B"))])
    assert perturbed(tagged, Perturbation("spacing", 1.0)).noted[NOT_AVAILABLE]


def test_words_come_from_the_lexicon_of_the_folder_whose_content_decides_the_revision(tmp_path):
    def asked(lines: str) -> DataRequest:
        (tmp_path / "sw-en.txt").write_text(lines, encoding="utf-8")
        how = {"perturbation": "code-mix(1,en)", "lexicons": str(tmp_path)}
        return DataRequest("xnli", "test", "sw", **how)

    request = asked("paka cat\npaka kitty\nnyumba\thouse\nok ok\n")
    how = replace(parse(request.perturbation), request=request)
    new = {tuple(word for _, word in how.apply(["Paka,", "ok", "NYUMBA"], str(i))) for i in range(40)}
    assert new == {("Cat,", "ok", "HOUSE"), ("Kitty,", "ok", "HOUSE")}
    before = mark_of(request)
    assert before and mark_of(asked("paka cat\n")) not in ("", before)
    assert mark_of(replace(request, language="hi")) == mark_of(request.whole) == ""
    with pytest.raises(InputError, match=r"sw-en.txt, line 1: got 'one two three', expected a word and its"):
        read_lexicon(Path(asked("one two three\n").lexicons) / "sw-en.txt")


def test_an_error_is_made_on_the_keyboard_of_the_language():
    def typed(word: str, language: str) -> set[str]:
        how = Perturbation("typos", 1.0, request=DataRequest("xnli", "test", language))
        return {how.apply([word], str(i))[0][1] for i in range(200)}

    assert "ytqr" not in typed("yt", "en") and {"yr", "yy"} <= typed("yt", "en")
    german, english = typed("at", "de"), typed("at", "en")
    assert "az" in german and "az" not in english and "ay" in english  # z and y change places
    assert all(len(clusters(new)) in (1, 2, 3) for new in typed("नि", "hi"))


def test_only_what_was_altered_left_out_said_again_or_moved_counts_as_changed():
    words = ["a", "b", "c", "d"]
    assert changed(words, list(enumerate(words))) == 0
    assert changed(words, [(1, "b"), (2, "c"), (3, "d")]) == 1
    assert changed(words, [(0, "a"), (0, "a"), (1, "b"), (2, "x"), (3, "d")]) == 2
    assert changed(words, [(1, "b"), (0, "a"), (2, "c"), (3, "d")]) == 2


def test_text_without_blanks_is_cut_into_pieces():
    text = "这是一个没有空格的很长的句子它应该被切成几个部分然后分别改变"
    example = ClassificationExample(id="1", text=text, label="x")
    [found] = perturbed(Examples([example]), parse("drop(1)"))
    assert len(text) // 4 - 1 <= len(text) - len(found.text) <= len(text) // 4 + 1


def _of_the_pack() -> dict[tuple[str, str], Examples]:
    """A few examples of every task and language of the pack."""
    found: dict[tuple[str, str], Examples] = {}
    with (PACK / "FILES.tsv").open(encoding="utf-8") as file:
        listed = list(csv.DictReader(file, delimiter="\t"))
    for row in listed:
        name = row["file"].split("/")[0]
        if name not in ("udpos", "panx", "xquad", "mlqa", "xnli", "xcopa", "tatoeba"):
            continue
        codes = {TASKS[name].files.code(language): language for language in TASKS[name].languages}
        code = row["lang"].split("-")[0]
        language = codes.get(code, code)
        try:
            examples = read_files([PACK / row["file"]], TASKS[name], language)
        except InputError:
            continue
        found[name, language] = Examples(list(examples)[:3])
    return found


@pytest.fixture(scope="module")
def pack(shared) -> dict[tuple[str, str], Examples]:
    return _of_the_pack()


def _in(call: str, name: str, language: str) -> Perturbation:
    return replace(parse(call), request=DataRequest(name, "test", language))


def test_every_language_of_the_pack_keeps_ids_tags_and_answers(pack):
    changing: Counter[str] = Counter()
    for (name, language), examples in pack.items():
        for call in (f"{p}(0.5{',de' * (p in MIXES)})" for p in PERTURBATIONS):
            how = _in(call, name, language)
            new = perturbed(examples, how)
            changing[how.name] += list(new) != list(examples)
            assert list(new) == list(perturbed(examples, how)), (call, name, language)
            assert list(perturbed(examples, replace(how, strength=0.0))) == list(examples)
            assert [e.id for e in new] == [e.id for e in examples]
            for e, clean in zip(new, examples, strict=True):
                if isinstance(e, SpanExample) and e.answers:
                    start, answer = e.answers[0]
                    assert e.context[start : start + len(answer)] == answer == clean.answers[0][1]
                if isinstance(e, TaggingExample):
                    assert len(e.words) == len(e.tags) and all(e.words)
                    assert how.name in MOVING or e.tags == clean.tags
    assert len({language for _, language in pack}) >= 35
    assert changing["code-mix"] == changing["substitute"] == 0  # no lexicon is given
    assert all(changing[p] >= 30 for p in ("typos", "lookalikes", "swap")), changing


@pytest.mark.parametrize("name", ["typos", "lookalikes", "case", "swap"])
def test_more_strength_changes_more_in_every_language_of_the_pack(name, pack):
    compared = 0
    for (task, language), examples in pack.items():
        found = [perturbed(examples, _in(f"{name}({s})", task, language)) for s in (0.2, 0.6, 1)]
        if TASKS[task].kind == "span" or NOT_AVAILABLE in found[0].noted:
            continue  # answers that are hit leave their examples clean
        weak, middle, strong = (e.noted[WORDS_CHANGED] for e in found)
        assert weak <= middle <= strong and weak < strong, (task, language)
        compared += 1
    assert compared >= 30


@pytest.mark.parametrize(
    ("language", "word"),
    [("hi", "बिक्री"), ("th", "กำลังที่"), ("ta", "நிலம்"), ("bn", "বাংলা"), ("ar", "كَتَبَ"), ("my", "မြန်မာ")],
)
def test_typing_errors_leave_no_mark_without_its_letter(language, word):
    how = Perturbation("typos", 1.0, request=DataRequest("xnli", "test", language))
    found = {how.apply([word], str(i))[0][1] for i in range(200)}
    assert word not in found
    for new in found:
        assert clusters(new)[0] == clusters(word)[0]
        assert not any(unicodedata.category(b) == "Mn" and a == " " for a, b in pairwise(" " + new)), new


def test_typing_errors_are_of_four_kinds_and_spare_the_first_letter():
    found = {words_under("typos", 1.0, ["the"], str(i))[0][1] for i in range(300)}
    assert {
        "te",
        "th",
        "teh",
        "tje",
        "thje",
    } <= found  # one too few, two exchanged, a neighbour instead, one more
    assert all(word[0] == "t" and word != "the" for word in found)
    assert {words_under("typos", 1.0, ["a"], str(i))[0][1][-1] for i in range(80)} == set("qsz")


def test_look_alikes_survive_the_tokenizers_normal_form():
    for i in range(60):
        [(_, new)] = Perturbation("lookalikes", 1.0).apply(["Москва"], str(i))
        assert new != "Москва" and unicodedata.normalize("NFKC", new) == new and len(new) == 6


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("ab c", {"a b c", "abc"}), ("a b", {"ab"}), ("京 都", {"京 都"}), ("北京", {"北 京"}), ("a", {"a"})],
)
def test_blanks_come_and_go(text, allowed):
    how = Perturbation("spacing", 1.0)
    found = {" ".join(w for _, w in how.apply(text.split(), str(i))) for i in range(40)}
    assert found == allowed


def test_a_lexicon_decides_the_revision_of_what_is_mixed(tmp_path, xnli_folder):
    how = {"perturbation": "code-mix(1,de)", "lexicons": str(tmp_path)}
    request = DataRequest("xnli", "test", "en", folder=str(xnli_folder), **how)
    clean = revision(replace(request, perturbation="clean"))
    assert revision(replace(request, perturbation="swap(1)")) == clean == revision(request)
    (tmp_path / "en-de.txt").write_text("so also\n")
    first = revision(request)
    (tmp_path / "en-de.txt").write_text("so denn\n")
    assert len({clean, first, revision(request)}) == 3
    assert [e.text for e in read_examples(request)] == ["denn it was"]


@pytest.fixture
def xnli_folder(tmp_path) -> Path:
    (tmp_path / "native" / "xnli").mkdir(parents=True)
    (tmp_path / "native" / "xnli" / "test-en.tsv").write_text("so it was\tso\tentailment\n")
    return tmp_path / "native"


def test_a_lexicon_that_is_not_utf_8_is_refused(tmp_path):
    (tmp_path / "en-de.txt").write_bytes(b"caf\xe9 caf\n")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_lexicon(tmp_path / "en-de.txt")


def test_the_world_brings_its_own_lexicon():
    def mixed(into: str) -> Examples:
        call = f"code-mix(1,{into})"
        return read_examples(DataRequest("w-pos", "test", "x-pivot", limit=10, perturbation=call))

    clean, found = read_examples(DataRequest("w-pos", "test", "x-pivot", limit=10)), mixed("x-lex")
    own = set(zip(lexicon(0, "x-pivot").words, lexicon(0, "x-lex").words, strict=True))
    for new, old in zip(found, clean, strict=True):
        assert new.tags == old.tags and new.words != old.words
        assert all((a, b) in own for a, b in zip(old.words, new.words, strict=True))
    assert (
        NOT_AVAILABLE in mixed("x-sov").noted and NOT_AVAILABLE in mixed("de").noted
    )  # the same words; none


def test_a_request_for_perturbed_examples_has_the_clean_ones_ids():
    request = DataRequest("w-pos", "test", "x-sov", limit=10)
    clean = read_examples(request)
    noisy = read_examples(DataRequest("w-pos", "test", "x-sov", limit=10, perturbation="repeat(0.5)"))
    assert [e.id for e in noisy] == [e.id for e in clean]
    assert sum(a.words != b.words for a, b in zip(noisy, clean, strict=True)) > 5


def test_what_is_searched_is_never_perturbed():
    swap, pgd, mixed = map(parse, ("swap(1)", "pgd(1)", "adversarial(code-mix(1,de))"))
    assert not any(can_change(kind, how) for kind in ("mining", "ranking") for how in (swap, pgd, mixed))
    assert can_change("retrieval", swap) and not any(can_change("retrieval", how) for how in (pgd, mixed))
    assert can_change("span", pgd) and can_change("span", mixed)


def test_neighbours_are_drawn_from_the_word_itself_and_all_that_the_lexicon_has():
    """Each as often, punctuation and capitals stay; what the lexicon has not stays as it is."""
    drawn = [words_under("substitute", 1.0, ["owner,", "Nothing", "Zyx"], str(i)) for i in range(4000)]
    counts = Counter(words[0][1] for words in drawn)
    assert set(counts) == {"owner,", "ownerx,", "ownery,", "ownerz,"}
    assert all(abs(n - 1000) < 5 * 27.4 for n in counts.values())  # five standard deviations
    assert {words[1][1] for words in drawn} == {"Nothing", "Nothingx", "Nothingy", "Nothingz"}
    assert {words[2][1] for words in drawn} == {"Zyx"}
    assert reach(_one("owner"), made("substitute", 1.0)) > 0.5
    assert NOT_AVAILABLE in perturbed(_one("owner"), Perturbation("substitute", 1.0, request=PIVOT)).noted


def _one(word: str) -> Examples:
    return Examples(
        [ClassificationExample(id=str(i), text=" ".join([word] * 9), label="x") for i in range(9)]
    )
