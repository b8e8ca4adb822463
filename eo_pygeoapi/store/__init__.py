"""What jobs leave behind: their files, the published values, and the downloads that they share."""
