"""What must survive a restart: inbox, ledger, outbox, audit and leases, on SQLite or PostgreSQL.

Not here: deciding anything or sending anything.
"""
