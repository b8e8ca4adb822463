"""What pygeoapi's plugins cannot reach, as functions f(api, request, …) -> (headers, status, content), by subject.

`flask_app.py`, one folder up, routes requests to them by `routes.py`. `http/` is what all of them pass; `pages/` and
`templates/` are the pages for people.
"""
