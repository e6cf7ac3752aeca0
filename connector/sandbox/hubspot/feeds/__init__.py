"""How the portal tells of changes: one source of events, delivered by webhooks and kept in a journal."""
