"""What jobs write: their files, the published values, the coverage, and the downloads that they share."""
