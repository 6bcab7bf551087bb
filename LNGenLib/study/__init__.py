"""A reader study: can people tell painted lymph nodes from real ones?"""
