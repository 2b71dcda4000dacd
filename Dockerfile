# One image for the API, the worker and the migrations.
# Debian 13 has pg_dump 17, the version in docker-compose.yml, which also dumps older ones.
ARG PYTHON=python:3.13-slim-trixie

FROM ${PYTHON} AS postgresql
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-client

FROM ${PYTHON} AS build
ARG REQUIREMENTS=requirements.txt
COPY ${REQUIREMENTS} requirements.txt
# The file is complete: --no-deps installs exactly the pinned versions.
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
    --requirement requirements.txt \
 && /venv/bin/pip check \
 # pip is not needed at run time.
 && /venv/bin/pip uninstall --yes --quiet pip

FROM ${PYTHON}
# For scripts/backup, without the Perl of the package. The last line fails if a library is missing.
COPY --from=postgresql /usr/lib/postgresql/*/bin/pg_dump /usr/lib/postgresql/*/bin/pg_restore \
    /usr/lib/postgresql/*/bin/psql /usr/local/bin/
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libpq5 \
 && rm -rf /var/lib/apt/lists/* \
 && pg_dump --version && pg_restore --version && psql --version
RUN useradd --system --uid 10001 --no-create-home billor \
 && install --directory --owner billor --mode 700 /var/lib/billor
COPY --from=build /venv /venv
WORKDIR /app
COPY billor billor
COPY migrations migrations
COPY scripts/container-setup.sh scripts/backup scripts/restore scripts/postgres.sh scripts/
COPY gunicorn.conf.py openapi.json worker.py wsgi.py ./
# With a bound, glibc gives back the memory of uploads: 40 MB of each process.
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    MALLOC_TRIM_THRESHOLD_=1048576 BIND=0.0.0.0 BILLOR_HOME=/var/lib/billor
USER billor
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "wsgi:app"]
