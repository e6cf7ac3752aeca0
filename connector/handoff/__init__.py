"""The core: what a handoff means. Pure functions over frozen values.

Not here: reading or writing a CRM, a clock, a database, a log, the name of a vendor. Whatever needs one of
these is an outer layer that calls in with a `Snapshot`, a `Policy` and the time.
"""
