"""Look after the feeds: are they fresh, what is wrong with them, and who hears of it?"""
