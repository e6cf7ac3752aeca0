"""The page for leadership: whether the handoff works, and every deal behind every number.

Not here: what a number means (``connector.handoff.measures``), summing (``connector.store.figures``), who may see it
(``connector.web.signin``).
"""
