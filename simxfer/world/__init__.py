"""The embedded world: a small universe of artificial languages with known typology.

It makes text for pretraining and examples for tasks, in 17 languages whose true distances are declared, from a
lexicon and selectional weights that a world's number decides. Everything derives from named random streams: the
same arguments give the same bytes on any machine and any number of workers. There is no torch in it.

Precedents: Dufter and Schuetze 2020; K et al. 2020; Deshpande et al. 2022; White and Cotterell 2021.
"""

from simxfer.world.corpus import Documents, corpus, corpus_words
from simxfer.world.describe import describe
from simxfer.world.examples import examples
from simxfer.world.languages import LANGUAGES, PIVOT, Language, languages_table, true_distance
from simxfer.world.lexicon import WORLDS
from simxfer.world.tokenizer import corpus_tokens, save_tokenizer, train_tokenizer, word_pieces

VERSION = "1"
"""Revision of the data, raised by hand whenever any byte of corpus or examples changes."""

__all__ = [
    "LANGUAGES",
    "PIVOT",
    "VERSION",
    "WORLDS",
    "Documents",
    "Language",
    "corpus",
    "corpus_tokens",
    "corpus_words",
    "describe",
    "examples",
    "languages_table",
    "save_tokenizer",
    "train_tokenizer",
    "true_distance",
    "word_pieces",
]
