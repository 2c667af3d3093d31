"""Driven adapter: the jobs that will not succeed by themselves."""
