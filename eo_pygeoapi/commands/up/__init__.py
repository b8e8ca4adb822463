"""`eo-pygeoapi up` and `demo`: the processes of one machine, what they start with, and their end."""
