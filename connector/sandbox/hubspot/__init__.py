"""A HubSpot portal on loopback: CRM objects, search, associations, properties, pipelines, owners, account.

Not HubSpot's interface in full: what the connector, its screens and well-known readers call, on the dated
paths and on v3/v4. Webhooks, lists, workflows and OAuth tokens are not here.
"""
