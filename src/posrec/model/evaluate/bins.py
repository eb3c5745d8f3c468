"""Pairs of items whose attention weights are seen together, in the order in which they are shown."""

import math

# Steps between two items that are seen together: 0, 1, 2, then twice as many each
DISTANCES = ("0", "1", "2", "3-4", "5-8", "9-16", "17-32", "33-64", "65-128", "129+")
GAPS = {  # days between two other items that are seen together, and the bound below which they are
    "under 1 day": 1,
    "1 to 7 days": 7,
    "7 to 30 days": 30,
    "30 to 90 days": 90,
    "90 to 365 days": 365,
    "a year or more": math.inf,
}
