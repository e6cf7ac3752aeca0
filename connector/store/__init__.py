"""What must survive a restart: inbox, ledger, outbox, audit, leases, on SQLite or PostgreSQL. Not here: deciding or sending."""
