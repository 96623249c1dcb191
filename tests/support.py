"""Small checkpoints in the files that XLM-R ships, with random weights, for tests that need an encoder."""

import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal

import sentencepiece
import torch
from transformers import XLMRobertaConfig, XLMRobertaForMaskedLM, XLMRobertaTokenizer

from simxfer import world

TokenizerKind = Literal["world", "unigram"]

VOCABULARY = 1200
POSITIONS = 130
"""XLM-R counts positions from 2 on: sequences of at most 128 subwords."""


def write_xlmr_checkpoint(
    folder: Path,
    *,
    tokenizer: TokenizerKind = "world",
    texts: Sequence[str] = (),
    hidden: int = 32,
    layers: int = 2,
    positions: int = POSITIONS,
    seed: int = 0,
) -> Path:
    """Write a masked language model with random weights as XLM-R is shipped; return the folder.

    Args:
        folder: where config.json, model.safetensors and the tokenizer's files go; made if it is missing.
        tokenizer: `world` (byte pairs, tokenizer.json) or `unigram` (tokenizer.json and
            sentencepiece.bpe.model, as XLM-R; it loads as XLM-R's own class).
        texts: what a `unigram` tokenizer is trained on; text of the world if empty.
        hidden: size of the hidden states, a multiple of 4.
        layers: number of layers.
        positions: rows of the position embeddings: two more than the longest sequence.
        seed: of the weights; equal seeds, equal files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if tokenizer == "world":
        cut = _world_tokenizer()
        world.save_tokenizer(cut, folder)
        vocabulary = cut.get_vocab_size()
    else:
        xlmr = unigram_tokenizer(tuple(texts))
        xlmr.save_pretrained(folder)
        (folder / "sentencepiece.bpe.model").write_bytes(_sentencepiece_model(tuple(texts)))
        vocabulary = len(xlmr)
    _network(vocabulary, hidden, layers, positions, seed).save_pretrained(folder)
    return folder


def _network(vocabulary: int, hidden: int, layers: int, positions: int, seed: int) -> XLMRobertaForMaskedLM:
    config = XLMRobertaConfig(
        vocab_size=vocabulary,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=2 * hidden,
        max_position_embeddings=positions,
        type_vocab_size=1,
        initializer_range=0.05,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return XLMRobertaForMaskedLM(config)


@cache
def _world_tokenizer():
    return world.train_tokenizer(0)


@cache
def unigram_tokenizer(texts: tuple[str, ...] = ()) -> XLMRobertaTokenizer:
    """Return XLM-R's tokenizer class over a small Unigram vocabulary, trained on text of the world if none is given.

    Its ids are fairseq's: <s>, <pad>, </s>, <unk> in front, <mask> at the end; its normaliser is SentencePiece's.
    """
    model = _sentencepiece_model(texts)
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    vocabulary = [(token, 0.0) for token in ("<s>", "<pad>", "</s>", "<unk>")]
    vocabulary += [(pieces.id_to_piece(i), pieces.get_score(i)) for i in range(3, len(pieces))]
    vocabulary.append(("<mask>", 0.0))
    return XLMRobertaTokenizer(
        vocab=vocabulary, _spm_precompiled_charsmap=_normaliser(model), model_max_length=POSITIONS - 2
    )


@cache
def _sentencepiece_model(texts: tuple[str, ...]) -> bytes:
    texts = texts or tuple(
        " ".join(document.texts) for code in world.LANGUAGES for document in world.corpus(0, code, 60, seed=0)
    )
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=out,
        vocab_size=VOCABULARY,
        model_type="unigram",
        num_threads=1,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    return out.getvalue()


def _normaliser(model: bytes) -> bytes:
    """Return ModelProto.normalizer_spec (field 3).precompiled_charsmap (field 2) of sentencepiece_model.proto."""
    return _field(_field(model, 3), 2)


def _field(message: bytes, number: int) -> bytes:
    """Return a length-delimited field of a protocol-buffer message (protobuf itself is no dependency)."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        size, at = _varint(message, at) if wire in (0, 2) else ({1: 8, 5: 4}[wire], at)
        if wire == 2 and key >> 3 == number:
            return message[at : at + size]
        at += 0 if wire == 0 else size
    raise ValueError(f"the message has no field {number}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        value |= (message[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if message[at - 1] < 0x80:
            return value, at
