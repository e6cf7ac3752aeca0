"""A local imitation of two CRM vendors, at the wire: a Salesforce org and a HubSpot portal.

Not part of the connector: it shares no code with the core, the adapters, the engine or the store, so a
misunderstanding there is not repeated here. It speaks HTTP on loopback and nothing else.
"""
