"""From an execute request to a job, and from a job to the documents that clients read."""
