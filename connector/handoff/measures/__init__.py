"""The measures: what is measured of a handoff, by one table of definitions. Pure, like the rest of the core.

Not here: where figures are kept and summed (``connector.store.figures``), and any page, report or command.
"""
