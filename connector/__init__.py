"""The handoff connector: from Closed-Won to the first success, in Salesforce and HubSpot."""
