"""Measurements of the connector against the sandbox. Not tests: nothing here asserts, everything here prints."""
