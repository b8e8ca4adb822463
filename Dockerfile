# One image for the Prefect server, the workers and the API; docker-compose.yml says which is which.

FROM python:3.12-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE pygeoapi-config.yml .ci/constraints.py ./
COPY eo_pygeoapi eo_pygeoapi
COPY flows flows
RUN python constraints.py pyproject.toml > constraints.txt \
    && python -m venv /opt/eo-pygeoapi \
    && /opt/eo-pygeoapi/bin/pip install --no-cache-dir --constraint constraints.txt .

FROM python:3.12-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home eo \
    && install --directory --owner eo /var/lib/eo-pygeoapi /var/cache/eo-pygeoapi /etc/eo-pygeoapi
COPY --from=build /opt/eo-pygeoapi /opt/eo-pygeoapi
COPY --chown=eo pygeoapi-config.yml /etc/eo-pygeoapi/pygeoapi-config.yml
ENV PATH=/opt/eo-pygeoapi/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    EO_DATA_DIR=/var/lib/eo-pygeoapi \
    PYGEOAPI_CONFIG=/etc/eo-pygeoapi/pygeoapi-config.yml \
    PYGEOAPI_OPENAPI=/var/lib/eo-pygeoapi/openapi.yml
USER eo
WORKDIR /var/lib/eo-pygeoapi
VOLUME /var/lib/eo-pygeoapi
STOPSIGNAL SIGTERM
CMD ["eo-pygeoapi", "worker"]
