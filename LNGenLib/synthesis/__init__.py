"""One request -> a new CT with lymph nodes, their instance labels, and a record of each."""
