"""The org's Pub/Sub API: change events of committed writes, kept for 72 hours and streamed over gRPC.

Not the REST API, and not a client: the connector has its own stubs and shares nothing with these. What makes and
keeps events (`capture`, `log`) needs no library; what serves them (`server`) needs the extra `pubsub`.
"""
