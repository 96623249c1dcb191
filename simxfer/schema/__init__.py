"""What a table and a run directory hold: columns, types, keys, ranges, names of files."""
