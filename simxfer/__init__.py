"""simxfer: when does an intermediate task help zero-shot cross-lingual transfer?

The training core. It makes tables of scores and knows no statistics; those live in `analyses`.
"""

__version__ = "0.1.0"
