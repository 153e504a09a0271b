"""
Production: the same processes as `vito up` runs, started separately. `README.md` is the runbook.

What can be derived from code is derived by `python -m deploy.generate` and committed; a test says
when it is stale.
"""
