"""Governance: what the periods of the process came to, and what the review of a period says of them. Pure."""
