"""How the tables came to be, step by step; shipped in the wheel and run by `open_store`.

Not here: the tables as they are now (``schema``); a test holds both to each other.
"""
