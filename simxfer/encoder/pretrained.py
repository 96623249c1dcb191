"""Which pretrained encoder a name means, found without torch.

`world/w0-s0` ships with the project; `packaged/multilingual-e5-small` is decoded from a package that carries it; a
folder holds the files of a Hugging Face checkpoint (config.json,
model.safetensors, a tokenizer); anything else is a hub id, `org/name` or `org/name@revision`.
`random(NAME)` is the architecture and tokenizer of NAME with random weights: the no-pretraining control.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from simxfer.common import packaged
from simxfer.common.errors import InputError, unknown
from simxfer.common.hubcache import ENCODER_FILES, TOKENIZER_FILES, TOKENIZER_SETTINGS, Repository, cached
from simxfer.common.identity import known_sha256, sha256_of_text
from simxfer.common.shipped import data_path

_XLM_R: dict[str, Any] = {
    "model_type": "xlm-roberta",
    "vocab_size": 250_002,
    "max_position_embeddings": 514,
    "type_vocab_size": 1,
    "pad_token_id": 1,
}
_PUBLISHED: dict[str, dict[str, Any]] = {
    "FacebookAI/xlm-roberta-base": {
        "num_hidden_layers": 12,
        "hidden_size": 768,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "FacebookAI/xlm-roberta-large": {
        "num_hidden_layers": 24,
        "hidden_size": 1024,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
"""Sizes of Conneau et al. 2020 (Table 1 and appendix), so that a grid can be planned before anything is fetched."""
_OTHER_NAMES = {
    "hidden_size": ("dim", "emb_dim", "d_model", "n_embd"),
    "num_hidden_layers": ("n_layers", "n_layer", "num_layers"),
    "num_attention_heads": ("n_heads", "n_head", "num_heads"),
    "intermediate_size": ("hidden_dim", "d_inner", "n_inner"),
    "max_position_embeddings": ("n_positions",),
}
"""How text encoders of transformers call their sizes (`attribute_map` of their configurations)."""
_WITHOUT_PAD = ("PreTrainedTokenizerFast", "TokenizersBackend", "GPT2Tokenizer", "GPT2TokenizerFast")
"""Tokenizer classes that have no padding token of their own."""
_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+(@[\w.-]+)?$")
_RANDOM = re.compile(r"^random\((.+)\)$")


@dataclass(frozen=True)
class Encoder:
    """A pretrained encoder before it is loaded."""

    name: str
    """As in the grid file; the `checkpoint` column of the results."""
    model: str
    """Architecture and size; the `model` column."""
    location: str
    """Folder; for a hub id that is not in the local cache, the id."""
    random: bool = False
    """Whether the weights are random."""
    hub: str = ""
    """`ID@COMMIT` of a hub id, `ID@REVISION` where it is not in the local cache; empty for a folder."""
    world: int | None = None
    """The artificial world it was pretrained on, if any."""
    about: str = ""
    """What a reader of its scores has to know; it stands in the receipts."""
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Its config.json; what is published of XLM-R where that is not at hand, empty for other encoders."""

    @property
    def layers(self) -> int:
        """Number of layers, 0 where the config is not at hand."""
        return int(self.config.get("num_hidden_layers", 0))

    @property
    def positions(self) -> int:
        """Longest input in subwords, 0 where the config is not at hand.

        RoBERTa and XLM-R count positions from the id of <pad> on, plus one; so does MPNet, and whatever else has so
        many more rows of positions than a power of two.
        """
        rows, first = int(self.config.get("max_position_embeddings", 0)), self.config.get("pad_token_id") or 0
        first += 1 if self.config.get("pad_token_id") is not None else 2
        behind = max(0, rows - first)
        counted = "roberta" in self.config.get("model_type", "") or (
            behind > 0 and behind & (behind - 1) == 0
        )
        return behind if counted else rows

    @property
    def sized(self) -> bool:
        """Whether the config says all sizes that the cost of a run is computed from."""
        return {"vocab_size", *_OTHER_NAMES} <= self.config.keys()

    @property
    def is_local(self) -> bool:
        """Whether its files are at hand."""
        return Path(self.location).is_dir()

    def fingerprint(self) -> str:
        """Return what identifies its weights and tokenizer: a hash of the files, or the commit on the hub."""
        return self._identity(self.files)

    def tokenizer_fingerprint(self) -> str:
        """Return what identifies its tokenizer alone, its settings and added tokens included."""
        return self._identity([p for p in self.files if p.name in (*TOKENIZER_FILES, *TOKENIZER_SETTINGS)])

    @property
    def files(self) -> list[Path]:
        """The files at hand that decide what it computes."""
        names = [name for name in ENCODER_FILES if not (self.random and name == "model.safetensors")]
        return [path for name in names if (path := Path(self.location) / name).exists()]

    def _identity(self, files: list[Path]) -> str:
        if self.hub:
            return f"hub:{self.hub}"
        return sha256_of_text(json.dumps([(path.name, known_sha256(path)) for path in files]))[:16]


def shipped_encoders() -> list[str]:
    """Return the names of the encoders that ship with the project."""
    return sorted(f"world/{p.parent.name}" for p in data_path("encoders").glob("*/config.json"))


def resolve_encoder(name: str) -> Encoder:
    """Find an encoder by name.

    Raises:
        InputError: no shipped encoder, folder or hub id can be meant, or a folder lacks a file.
    """
    if control := _RANDOM.match(name):
        return replace(resolve_encoder(control[1]), name=name, random=True)
    if name.startswith("world/"):
        folder = data_path("encoders", name.removeprefix("world/"))
        if not (folder / "config.json").is_file():
            raise InputError(unknown("encoder", name, shipped_encoders()))
        card = json.loads((folder / "card.json").read_text())
        return Encoder(name, card["model"], str(folder), world=card["world"], config=_config(folder))
    if name.startswith(packaged.PREFIX):
        found = _local(str(packaged.checkpoint_folder(name.removeprefix(packaged.PREFIX))))
        return replace(found, name=name, model=packaged.MODEL, about=packaged.ABOUT)
    if Path(name).is_dir():
        return _local(name)
    if repository := hub_repository(name):
        return _on_hub(name, repository)
    raise InputError(
        f"encoder {name!r} is no folder, no hub id such as FacebookAI/xlm-roberta-large, and "
        + unknown("shipped encoder", name, shipped_encoders())
    )


def hub_repository(name: str) -> Repository | None:
    """Return the repository that an encoder's name means, None where it means a folder."""
    if control := _RANDOM.match(name):
        return hub_repository(control[1])
    if (
        name.startswith(("world/", packaged.PREFIX, ".", "/"))
        or Path(name).is_dir()
        or not _HUB_ID.match(name)
    ):
        return None
    location, _, revision = name.partition("@")
    return Repository(location, "model", revision or "main")


def _on_hub(name: str, repository: Repository) -> Encoder:
    """Return the encoder in the local cache, or what its name tells of it; both have one `model` column."""
    snapshot = cached(repository, ENCODER_FILES)
    if snapshot is None:
        published = _XLM_R | _PUBLISHED[repository.id] if repository.id in _PUBLISHED else {}
        hub = f"{repository.id}@{repository.revision}"
        return Encoder(name, repository.id, repository.id, hub=hub, config=published)
    found = _local(str(snapshot))
    return replace(found, name=name, model=repository.id, hub=f"{repository.id}@{snapshot.name}")


def _local(name: str) -> Encoder:
    folder = Path(name)
    missing = [f for f in ("config.json", "model.safetensors") if not (folder / f).is_file()]
    if missing:
        raise InputError(f"encoder folder {name} lacks {', '.join(missing)}; save it with save_pretrained()")
    if not any((folder / f).is_file() for f in TOKENIZER_FILES):
        raise InputError(
            f"encoder folder {name} lacks a tokenizer (tokenizer.json or sentencepiece.bpe.model)"
        )
    _refuse_unknown_casing(folder)
    config = _config(folder)
    _refuse_other_models(folder, config)
    _refuse_unfit_tokenizer(folder, config)
    model = f"{config.get('model_type', 'encoder')}-{config.get('hidden_size', 0)}x{config.get('num_hidden_layers', 0)}"
    return Encoder(name, model, str(folder), config=config)


def _refuse_other_models(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse what its configuration says is no encoder of text that looks both ways, before anything is trained.

    What only the model itself can tell, and a model_type that transformers does not know, is refused when it is loaded
    (`simxfer.encoder.loading`).
    """
    kind = str(config.get("model_type", ""))
    both_ways = config.get("use_bidirectional_attention") or config.get("is_causal") is False
    heads = [
        name for name in config.get("architectures") or () if name.endswith(("ForCausalLM", "LMHeadModel"))
    ]
    if config.get("is_encoder_decoder"):
        why = "it is an encoder and a decoder; expected an encoder alone"
    elif "vision_config" in config or "audio_config" in config:
        why = "it reads images or sound; name the folder of its text encoder"
    elif config.get("is_decoder") or (heads and not both_ways):
        why = (
            "each of its states sees only what stands before it; expected an encoder that looks both ways, such as "
            "BERT, ModernBERT, or Gemma 3 with use_bidirectional_attention"
        )
    else:
        return
    raise InputError(f"encoder folder {folder} (model_type {kind or 'not said'}) cannot be used: {why}")


def _refuse_unknown_casing(folder: Path) -> None:
    """Refuse a vocab.txt of which nothing says whether text is lower-cased; transformers would lower-case it.

    Google published cased multilingual BERT as a vocab.txt without tokenizer_config.json; read lower-cased and without
    accents, its words become unknown (huggingface/transformers, issue 1232).
    """
    vocabulary, settings = folder / "vocab.txt", folder / "tokenizer_config.json"
    if not vocabulary.is_file() or any((folder / n).is_file() for n in TOKENIZER_FILES if n != "vocab.txt"):
        return
    if settings.is_file() and "do_lower_case" in json.loads(settings.read_text(encoding="utf-8")):
        return
    pieces = vocabulary.read_text(encoding="utf-8").splitlines()
    cased = [piece for piece in pieces if piece != piece.lower() and not piece.startswith("[")]
    if cased or not settings.is_file():
        has = f"; pieces such as {', '.join(map(repr, cased[:3]))} are not" if cased else ""
        raise InputError(
            f"encoder folder {folder} has a vocab.txt and nothing that says whether text is lower-cased{has}. Bring "
            'its tokenizer_config.json, or write one, as the model was trained: {"do_lower_case": false} or true'
        )


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(
            f"{folder / 'config.json'} is no JSON ({error}); save it with save_pretrained()"
        ) from error
    sizes = {
        name: config[other] for name, others in _OTHER_NAMES.items() for other in others if other in config
    }
    return {"type_vocab_size": 0} | sizes | config


def _refuse_unfit_tokenizer(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuse a tokenizer that makes ids without a vector, or cannot pad."""
    settings: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        settings |= json.loads((folder / name).read_text("utf-8")) if (folder / name).is_file() else {}
    largest, vectors = _largest_id(folder), int(config.get("vocab_size", 0))
    if vectors and largest >= vectors:
        raise InputError(
            f"encoder folder {folder}: its tokenizer has subwords up to id {largest}, its model vectors for {vectors}; "
            "save the tokenizer that it was trained with, or resize its embeddings"
        )
    if settings.get("tokenizer_class", "") in _WITHOUT_PAD and not settings.get("pad_token"):
        raise InputError(
            f"encoder folder {folder}: its tokenizer has no padding token; name one that its model knows as "
            "pad_token in tokenizer_config.json"
        )


def _largest_id(folder: Path) -> int:
    """Return the largest id that tokenizer.json or vocab.txt gives, -1 where neither is there."""
    for name, count in (("tokenizer.json", _largest_of_json), ("vocab.txt", _largest_of_lines)):
        if (path := folder / name).is_file():
            return count(path, known_sha256(path))
    return -1


@lru_cache(maxsize=64)  # an encoder is resolved wherever its name stands
def _largest_of_json(path: Path, _sha256: str) -> int:
    stored = json.loads(path.read_text(encoding="utf-8"))
    pieces = stored["model"]["vocab"]
    own = len(pieces) - 1 if isinstance(pieces, list) else max(pieces.values(), default=-1)
    return max(own, *(token["id"] for token in stored.get("added_tokens", ())), -1)


@lru_cache(maxsize=64)
def _largest_of_lines(path: Path, _sha256: str) -> int:
    return len(path.read_text(encoding="utf-8").splitlines()) - 1
