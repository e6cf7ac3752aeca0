"""How the tables came to be, step by step, in two chains; shipped in the wheel and run by `open_store`.

``before/`` only adds and runs while the last release still works; ``after/`` (0001 to 0005, and whatever takes
something away) runs when no older code is left. A step of ``before/`` names in ``needs`` the step of ``after/`` it is
built upon. Not here: the tables as they are now (``schema``); a test holds both to each other.
"""
