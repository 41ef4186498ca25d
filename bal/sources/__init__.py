"""Pools on disk: rows that are read when they are needed, around the compiled pieces of a round."""

from bal.sources._passes import BLOCK_BYTES
from bal.sources._pieces import CALLS, holds_source, in_pieces
from bal.sources._primitives import map_source, take_rows
from bal.sources._reading import AHEAD, digest_of, read_rows
from bal.sources._resuming import resuming
from bal.sources._scans import body_of, count_sliced
from bal.sources._source import Source

__all__ = [
    "AHEAD",
    "BLOCK_BYTES",
    "CALLS",
    "Source",
    "body_of",
    "count_sliced",
    "digest_of",
    "holds_source",
    "in_pieces",
    "map_source",
    "read_rows",
    "resuming",
    "take_rows",
]
