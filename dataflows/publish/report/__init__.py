"""One page that shows what is in the lake: a map, tables, where it all comes from, and how good it is."""
