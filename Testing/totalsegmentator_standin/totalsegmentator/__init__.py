"""Stands in for TotalSegmentator: the tests put it on the path of the process that asks for it."""
