"""Salesforce behind the port, through simple-salesforce. Not here: any rule of the handoff."""
