"""The two CRMs as people see them: a pipeline board, a record page, an account page.

Not the vendors' interfaces and not their looks: own neutral pages over the same rows that the APIs serve.
"""
