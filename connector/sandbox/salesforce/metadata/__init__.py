"""The org's setup as files: components, deploys, retrieves, and the Tooling view of them.

Not the schema in force (`catalog.py`) and not the formula language: an applied component is handed to those.
"""
