"""Speaking to CRMs: the port every CRM answers to, and one folder per vendor behind it.

Not here: deciding anything, remembering anything, scheduling anything.
"""
