"""What this product is made of besides itself: licences, a bill of materials, known vulnerabilities.

Not here: anything the product runs. Only Python's own library is used, so that what checks the supply chain does not
lengthen it; the one exception, ``pip-audit``, has an environment of its own (``make audit-deps``).
"""
