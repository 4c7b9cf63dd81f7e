"""The command `dropreel`: the operator's hand on a deployed stack, or on that of `make up`.

It reads names from the stack's outputs, and writes only through the steps of the package (built
by the same container as the functions) or through the workflow. `app` lists the commands, `desk`
is what each of them works with.
"""
