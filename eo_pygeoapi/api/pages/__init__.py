"""What the pages for people show beyond their templates: charts, words, forms, titles."""
