"""What the connector needs in a HubSpot portal, as property definitions, and how it gets there.

Not here: the connector's own work with deals (the modules beside this package) and an admin's files (``policy``).
"""
