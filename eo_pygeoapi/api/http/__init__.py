"""What every request and answer of the web API passes: who asks, parameters, formats, errors, links, headers."""
