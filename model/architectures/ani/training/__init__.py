"""From labels to weights: from random ones, from older ones, from a level below."""
