"""Commits to rows: what PostgreSQL shows is a fold of the log and nothing else."""
