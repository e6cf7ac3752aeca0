"""Documents that people and auditors keep, written from the live config alone, in the admin's words.

Not here: how a document looks (``papers``) and the command that writes them (``cli.docs``). Pure: the same config gives
the same documents.
"""
