"""A Salesforce org at the wire: REST API, SOQL, Collections, Composite, describe, replication.

Not Salesforce: one org, one currency, no Apex, no sharing, no Bulk and no SOAP API. What it does imitate names
the fact it comes from ("facts: Salesforce §…", the project's fact sheet).
"""
