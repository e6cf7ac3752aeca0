"""Health, metrics and one page for people who operate the daemon. Not here: anything a rep or CSM sees."""
