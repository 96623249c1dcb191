"""The tokenizer of a world: byte-pair encoding over all its languages, with XLM-R's special tokens and template.

Words are cut by BPE one by one (Metaspace), and at the word joiner between stem and suffix, which is removed: a
stem keeps its piece under every suffix, in every language that shares it. So a word has the same pieces
everywhere, and text can be tokenised by looking words up (`word_pieces`).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from simxfer.world.corpus import Documents, corpus, corpus_words
from simxfer.world.languages import LANGUAGES
from simxfer.world.lexicon import JOINER, lexicon

BOS, PAD, EOS, UNK, MASK = range(5)
SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
VOCABULARY_SIZE = 2600
"""More than byte-pair encoding finds to merge: every frequent word becomes one piece."""
_DOCUMENTS_PER_LANGUAGE = 3000
_TRAINING_SEED = 7
MAX_LENGTH = 64


def train_tokenizer(world: int, vocabulary_size: int = VOCABULARY_SIZE) -> Tokenizer:
    """Return the tokenizer of a world, trained on 3,000 documents of each language; the same every time.

    Args:
        world: number of the world.
        vocabulary_size: upper bound on the pieces, special tokens included; merging ends before it when no pair
            of pieces is left that occurs.
    """
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Metaspace(),
            pre_tokenizers.Split(JOINER, "removed"),
        ]
    )
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    tokenizer.train_from_iterator(_texts(world), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", BOS), ("</s>", EOS)],
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, directory: str | Path) -> None:
    """Write tokenizer.json and tokenizer_config.json, which `transformers.AutoTokenizer.from_pretrained` reads."""
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(tokenizer.to_str(pretty=True) + "\n", encoding="utf-8")
    text = json.dumps(_CONFIG, indent=2) + "\n"
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")


_CONFIG: dict[str, Any] = {
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": MAX_LENGTH,
    "clean_up_tokenization_spaces": False,
    "padding_side": "right",
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "mask_token": "<mask>",
    "model_input_names": ["input_ids", "attention_mask"],
}


def word_pieces(tokenizer: Tokenizer, world: int, language: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces of every word id of a language as (pieces, lengths).

    `pieces` has shape (N_WORDS, longest), filled up with PAD; `lengths` has shape (N_WORDS,).
    """
    words = lexicon(world, language).words.tolist()
    cut = [encoding.ids for encoding in tokenizer.encode_batch(words, add_special_tokens=False)]
    lengths = np.array([len(ids) for ids in cut])
    pieces = np.full((len(cut), int(lengths.max())), PAD, dtype=np.int32)
    pieces[np.arange(pieces.shape[1]) < lengths[:, None]] = np.concatenate(cut)
    return pieces, lengths


def corpus_tokens(
    tokenizer: Tokenizer, world: int, language: str, n: int, seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the documents of `corpus`, block by block, as (token ids end to end, offsets of the documents).

    The ids are those of `tokenizer.encode(text, text_pair)`, special tokens included, dtype int32; document i is
    `ids[offsets[i]:offsets[i + 1]]`.
    """
    pieces, lengths = word_pieces(tokenizer, world, language)
    for documents in corpus_words(world, language, n, seed):
        yield _tokens(documents, pieces, lengths)


def _tokens(documents: Documents, pieces: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put special tokens around and between the segments: one in front, two between, one behind."""
    words, first_word = documents.sentences.words, documents.sentences.offsets[documents.first]
    n_pieces = lengths[words]
    ends = np.concatenate([[0], np.cumsum(n_pieces)])
    n_inside = np.diff(ends[first_word])
    offsets = np.concatenate([[0], np.cumsum(n_inside + 2 + 2 * documents.in_two)])
    second = documents.sentences.offsets[documents.first[:-1] + 1]  # first word of the second clause
    document = np.repeat(np.arange(len(documents)), np.diff(first_word))
    in_second = documents.in_two[document] & (np.arange(len(words)) >= second[document])
    start = offsets[document] + 1 + ends[:-1] - ends[first_word][document] + 2 * in_second
    ids = np.full(offsets[-1], EOS, dtype=np.int32)
    ids[offsets[:-1]] = BOS
    for k in range(pieces.shape[1]):
        has = n_pieces > k
        ids[start[has] + k] = pieces[words[has], k]
    return ids, offsets


def _texts(world: int) -> Iterator[str]:
    for language in LANGUAGES:
        for document in corpus(world, language, _DOCUMENTS_PER_LANGUAGE, _TRAINING_SEED):
            yield " ".join(document.texts)
