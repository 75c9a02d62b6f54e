# One image; the command chooses the process: api, worker, webhooks, migrate.
FROM python:3.13-slim AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /venv \
    && /venv/bin/pip install --no-deps --require-hashes -r requirements.lock \
    && /venv/bin/pip install --no-deps --require-hashes --target /tools -r requirements-build.lock
COPY pyproject.toml README.md LICENSE ./
COPY docs/problems docs/problems
COPY migrations migrations
COPY src src
RUN PYTHONPATH=/tools /venv/bin/pip install --no-deps --no-build-isolation .

FROM python:3.13-slim
# Nothing is written at run time: the root filesystem can be read-only.
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# A volume for the workers' notes goes to /var/lib/messaging, and takes its owner from here.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin app \
    && install --directory --owner=app --mode=0700 /var/lib/messaging
COPY --from=build /venv /venv
USER 10001
ENTRYPOINT ["app"]
CMD ["--help"]
