"""The process that does the jobs."""
