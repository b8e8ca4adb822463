# Images from one file; docker-compose.yml says which command is run in which.
#
#   docker build --target api --tag eo-pygeoapi:api .                 # API, Prefect server, watch
#   docker build --target worker --tag eo-pygeoapi:worker .           # all of that, and what jobs compute with
#   docker build --target kubernetes --tag eo-pygeoapi:kubernetes .   # Prefect's Kubernetes worker, see docs/kubernetes.md
#
# What changes seldom comes first: an edit of the code makes the last layers anew, of a few MB, and installs no library.
# Versions are pinned, and pip checks the hash of every file. To hold the base image to one digest, too:
#   docker build --build-arg PYTHON=python:3.12.12-slim-bookworm@sha256:…
ARG PYTHON=python:3.12.12-slim-bookworm

FROM ${PYTHON} AS libraries
WORKDIR /src
COPY .ci/requirements-build.txt .ci/requirements-api.txt ./
RUN python -m venv /opt/eo-pygeoapi \
    && /opt/eo-pygeoapi/bin/pip install --no-cache-dir --require-hashes --requirement requirements-build.txt \
    && /opt/eo-pygeoapi/bin/pip install --no-cache-dir --no-deps --no-build-isolation --require-hashes --requirement requirements-api.txt

FROM libraries AS science
COPY .ci/requirements.txt ./
RUN /opt/eo-pygeoapi/bin/pip install --no-cache-dir --no-deps --no-build-isolation --require-hashes --requirement requirements.txt

FROM libraries AS cluster
COPY .ci/requirements-kubernetes.txt ./
RUN /opt/eo-pygeoapi/bin/pip install --no-cache-dir --no-deps --no-build-isolation --require-hashes --requirement requirements-kubernetes.txt

FROM libraries AS package
COPY pyproject.toml README.md LICENSE pygeoapi-config.yml ./
COPY eo_pygeoapi eo_pygeoapi
COPY flows flows
RUN /opt/eo-pygeoapi/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${PYTHON} AS system
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libexpat1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home eo \
    && install --directory --owner eo /var/lib/eo-pygeoapi /var/cache/eo-pygeoapi /etc/eo-pygeoapi
ENV PATH=/opt/eo-pygeoapi/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    DO_NOT_TRACK=1 \
    PYTHONTZPATH= \
    MALLOC_ARENA_MAX=2 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    EO_DATA_DIR=/var/lib/eo-pygeoapi \
    PYGEOAPI_CONFIG=/etc/eo-pygeoapi/pygeoapi-config.yml \
    PYGEOAPI_OPENAPI=/var/lib/eo-pygeoapi/openapi.yml
WORKDIR /var/lib/eo-pygeoapi
VOLUME /var/lib/eo-pygeoapi
STOPSIGNAL SIGTERM

FROM system AS api
COPY --from=libraries /opt/eo-pygeoapi /opt/eo-pygeoapi
COPY --chown=eo pygeoapi-config.yml /etc/eo-pygeoapi/pygeoapi-config.yml
COPY --from=package /wheels /wheels
RUN /opt/eo-pygeoapi/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
USER eo
CMD ["gunicorn", "eo_pygeoapi.flask_app:APP", "--bind=0.0.0.0:5000", "--worker-class=eo_pygeoapi.web_worker.WebWorker", "--threads=8"]

FROM system AS kubernetes
COPY --from=cluster /opt/eo-pygeoapi /opt/eo-pygeoapi
COPY --from=package /wheels /wheels
RUN /opt/eo-pygeoapi/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
USER eo
CMD ["prefect", "worker", "start", "--pool", "eo-pygeoapi", "--type", "kubernetes"]

FROM system AS worker
COPY --from=science /opt/eo-pygeoapi /opt/eo-pygeoapi
COPY --chown=eo pygeoapi-config.yml /etc/eo-pygeoapi/pygeoapi-config.yml
COPY --from=package /wheels /wheels
RUN /opt/eo-pygeoapi/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl
USER eo
CMD ["eo-pygeoapi", "worker"]
