# handoff: one container, one volume. Build tools stay in the first stage.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements/runtime.txt requirements/runtime.txt
RUN python -m venv /opt/handoff \
    && /opt/handoff/bin/python -m pip install --require-hashes --no-deps --only-binary :all: -r requirements/runtime.txt
COPY connector connector
COPY mappings mappings
COPY supply supply
COPY pyproject.toml pyproject.toml
# The program is plain Python: copying it into the environment is the whole installation, and needs no build backend.
RUN site="$(/opt/handoff/bin/python -c 'import site; print(site.getsitepackages()[0])')" \
    && cp -r connector "$site/connector" \
    && cp -r mappings "$site/connector/mappings" \
    && printf '#!/opt/handoff/bin/python\nfrom connector.__main__ import main\nmain()\n' > /opt/handoff/bin/handoff \
    && chmod 0755 /opt/handoff/bin/handoff \
    && /opt/handoff/bin/python -m compileall -q /opt/handoff/lib \
    && /opt/handoff/bin/handoff --help > /dev/null \
    && /opt/handoff/bin/python -m supply sbom > /src/sbom.cdx.json \
    && /opt/handoff/bin/python -m pip uninstall --yes pip

FROM ${PYTHON_IMAGE}
LABEL org.opencontainers.image.title="handoff" \
      handoff.sbom="/usr/share/doc/handoff/sbom.cdx.json" \
      org.opencontainers.image.description="Keeps a won deal from being lost between the signature and the first success"
# The base image brings pip; what runs needs none.
RUN if python -m pip --version > /dev/null 2>&1; then python -m pip uninstall --yes --root-user-action=ignore pip; fi \
    && groupadd --system --gid 10001 handoff \
    && useradd --system --uid 10001 --gid handoff --home-dir /var/lib/handoff --no-create-home --shell /usr/sbin/nologin handoff \
    && mkdir -p /var/lib/handoff /etc/handoff \
    && chown handoff:handoff /var/lib/handoff
COPY --from=build /opt/handoff /opt/handoff
# What is in it, as CycloneDX: every package of the lock. The base image's own packages are its maker's to list.
COPY --from=build /src/sbom.cdx.json /usr/share/doc/handoff/sbom.cdx.json
# So that `handoff status` typed into the container asks the daemon that runs there.
ENV PATH=/opt/handoff/bin:$PATH \
    HANDOFF_CONFIG=/etc/handoff/config.toml \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
WORKDIR /var/lib/handoff
# State (with SQLite) lives here; configuration is mounted read-only at /etc/handoff. The root may be read-only.
VOLUME ["/var/lib/handoff"]
EXPOSE 8787
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8787/healthz', timeout=4)"]
ENTRYPOINT ["handoff"]
CMD ["run", "--config", "/etc/handoff/config.toml"]
