"""Which questions should a person label next?"""
