# The server: the monitor, the API and the command line. Automations install the package `andon` instead.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /opt/andon

COPY requirements/server.lock requirements/server.lock
RUN pip install --require-hashes -r requirements/server.lock

COPY pyproject.toml README.md LICENSE ./
COPY andon andon
COPY detectors detectors
COPY streams streams
COPY api api
COPY backtest backtest
COPY dashboards dashboards
COPY policies policies

# Editable, so that the rooms beside `andon` are importable too.
RUN pip install --no-deps --no-build-isolation -e .

RUN useradd --system --uid 10001 andon \
    && install -d -o andon /var/lib/andon /var/cache/andon
USER andon

# Compiles the kernels here instead of at each start; numba wants a cache its user can write.
ENV NUMBA_CACHE_DIR=/var/cache/andon
RUN python -m detectors

VOLUME /var/lib/andon
EXPOSE 9464 8470
ENTRYPOINT ["andon"]
