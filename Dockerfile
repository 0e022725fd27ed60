# One image for every command: setpoint serve, worker, migrate, sandbox, and the rest. See docs/deploy.md.

FROM docker.io/library/python:3.13-slim-trixie AS build
WORKDIR /src
COPY requirements.lock requirements-runtime.lock ./
# Two environments: the build backend stays behind in the first, the second is what is shipped. Every file is checked by its hash.
RUN awk '/^[a-z]/ { keep = /^(hatchling|packaging|pathspec|pluggy|tomlkit|trove-classifiers)==/ } keep' requirements.lock > build.lock \
    && python3 -m venv /opt/build \
    && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --quiet --require-hashes -r build.lock \
    && python3 -m venv /opt/setpoint \
    && /opt/setpoint/bin/pip install --no-cache-dir --disable-pip-version-check --quiet --require-hashes -r requirements-runtime.lock
COPY pyproject.toml README.md ./
COPY mappings mappings
COPY adapters adapters
COPY migrations migrations
COPY service service
RUN /opt/build/bin/pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /dist . \
    && /opt/setpoint/bin/pip install --quiet --no-deps --no-index /dist/*.whl \
    && /opt/setpoint/bin/pip check \
    && /opt/setpoint/bin/pip uninstall --quiet --yes pip

FROM docker.io/library/python:3.13-slim-trixie
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Setpoint" \
      org.opencontainers.image.description="FHIR R4 service for personalised psychiatry" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="docker.io/library/python:3.13-slim-trixie"
RUN groupadd --gid 10001 setpoint \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin setpoint \
    && install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/setpoint /opt/setpoint

# serve brings the schema up to date first, under the database's own lock, so replicas may start together; exec makes setpoint
# process 1, which is the one that SIGTERM reaches.
RUN printf '%s\n' \
    '#!/bin/sh' \
    'set -eu' \
    'if [ "${1:-}" = serve ]; then' \
    '    shift' \
    '    [ "${SETPOINT_MIGRATE:-yes}" = no ] || setpoint migrate' \
    '    exec setpoint serve --host 0.0.0.0 "$@"' \
    'fi' \
    'exec setpoint "$@"' \
    > /usr/local/bin/setpoint-start \
    && chmod 0755 /usr/local/bin/setpoint-start

# What process 1 was started as decides what healthy means: serve answers that it is ready, the sandbox answers; a worker has no
# port, it is as healthy as its process is alive (watch the age of the oldest outbox row in /metrics).
RUN printf '%s\n' \
    'import pathlib, urllib.request' \
    'words = pathlib.Path("/proc/1/cmdline").read_text().replace("=", "\0").split("\0")' \
    'paths = {"serve": ("8000", "/health/ready"), "sandbox": ("8100", "/fhir/metadata")}' \
    'for port, path in (paths[word] for word in words if word in paths):' \
    '    port = words[words.index("--port") + 1] if "--port" in words else port' \
    '    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))' \
    '    direct.open(f"http://127.0.0.1:{port}{path}", timeout=4)' \
    > /usr/local/lib/setpoint-healthy.py

ENV PATH=/opt/setpoint/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# The default database, sqlite:///setpoint.sqlite, is a file here. No setting stands in the image: it would outdo a ..._FILE given later.
WORKDIR /data
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python3", "/usr/local/lib/setpoint-healthy.py"]
ENTRYPOINT ["setpoint-start"]
CMD ["serve"]
