"""One module per subject; each function is one command, and its docstring is its help."""
