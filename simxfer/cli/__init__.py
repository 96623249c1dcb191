"""The door: parse, call one importable function, print."""
