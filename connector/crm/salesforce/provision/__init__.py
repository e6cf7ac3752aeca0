"""What the connector needs in a Salesforce org, as metadata, and how it gets there.

Not here: the connector's own work with deals (the modules beside this package) and an admin's files (``policy``).
"""
