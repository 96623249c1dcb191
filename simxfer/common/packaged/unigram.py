"""XLM-R's vocabulary (pieces and their log-probabilities) -> its tokenizer, in the two files that XLM-R ships."""

import io
from functools import cache
from typing import Any

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""Ids 0 to 3, and the last id, of XLM-R's vocabulary."""
Vocabulary = list[tuple[str, float]]
"""Pieces in the order of their ids, each with its log-probability."""


@cache
def normalisation_table() -> bytes:
    """Return SentencePiece's compiled table of its rule `nmt_nfkc`, which every model trained with the rule holds."""
    model = _proto()
    model.ParseFromString(_tiny_model())
    return model.normalizer_spec.precompiled_charsmap


def _tiny_model() -> bytes:
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["a b c d e"] * 10),
        model_writer=model,
        vocab_size=10,
        hard_vocab_limit=False,
        normalization_rule_name="nmt_nfkc",
        minloglevel=2,
    )
    return model.getvalue()


def _proto() -> Any:
    from sentencepiece import sentencepiece_model_pb2

    return sentencepiece_model_pb2.ModelProto()


def sentencepiece_model(vocabulary: Vocabulary) -> bytes:
    """Return the file that SentencePiece reads: its own three special pieces, then XLM-R's from id 4 on."""
    model = _proto()
    unknown, control, normal = 2, 3, 1
    own = [("<unk>", 0.0, unknown), ("<s>", 0.0, control), ("</s>", 0.0, control)]
    for piece, score, kind in [
        *own,
        *((p, s, normal) for p, s in vocabulary[4:-1]),
    ]:
        model.pieces.add(piece=piece, score=score, type=kind)
    model.trainer_spec.model_type = 1
    model.trainer_spec.vocab_size = len(model.pieces)
    model.trainer_spec.unk_id, model.trainer_spec.bos_id, model.trainer_spec.eos_id = 0, 1, 2
    model.trainer_spec.pad_id = -1
    model.normalizer_spec.name = "nmt_nfkc"
    model.normalizer_spec.precompiled_charsmap = normalisation_table()
    return model.SerializeToString()


def fast_tokenizer(vocabulary: Vocabulary) -> Any:
    """Return the same as a fast tokenizer.

    SentencePiece matches the longest entry of its table, such as a letter and its mark; the fast tokenizers look up one
    code point, or a grapheme of up to six bytes, and miss Hangul jamo and Indic vowel signs. Composed before (NFC),
    all entries are single code points: the table's own keys are what NFC composes.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
    from tokenizers.models import Unigram

    tokenizer = Tokenizer(Unigram(vocabulary, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Precompiled(normalisation_table()), normalizers.NFC()]
    )
    space: Any = {"replacement": "▁", "prepend_scheme": "always"}
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(**space)]
    )
    tokenizer.decoder = decoders.Metaspace(**space)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=["<s>", "$A", "</s>"],
        pair=["<s>", "$A", "</s>", "</s>", "$B", "</s>"],
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens(
        [AddedToken(t, lstrip=t == "<mask>", normalized=False, special=True) for t in SPECIAL]
    )
    return tokenizer
