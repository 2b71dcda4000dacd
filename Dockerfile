# One image for the API, the worker and the migrations.
ARG PYTHON=python:3.13-slim

FROM ${PYTHON} AS build
COPY requirements.txt .
# The file is complete: --no-deps installs exactly the pinned versions.
RUN python -m venv /venv \
 && /venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
    --requirement requirements.txt \
 && /venv/bin/pip check \
 # pip is not needed at run time.
 && /venv/bin/pip uninstall --yes --quiet pip

FROM ${PYTHON}
# pg_dump and its like, for `flask backup`.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client \
 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --no-create-home billor \
 && install --directory --owner billor /var/lib/billor
COPY --from=build /venv /venv
WORKDIR /app
COPY billor billor
COPY migrations migrations
COPY scripts/container-setup.sh scripts/
COPY gunicorn.conf.py worker.py wsgi.py ./
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 BILLOR_HOME=/var/lib/billor
USER billor
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["python", "-c", \
    "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["gunicorn", "wsgi:app"]
