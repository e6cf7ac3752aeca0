"""Changes as a HubSpot portal tells them: read from the app's journal, or delivered by webhooks.

Not here: polling (``search``), which goes on without any of this, and reading the deals themselves (``reads``).
"""
