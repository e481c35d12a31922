# One image for both: alone, with everything it keeps in /data (`docker run -v satchel:/data …`), or over PostgreSQL and an
# S3 store (docker-compose.yml), when it writes to no disk at all.
FROM python:3.13-slim-trixie AS build
WORKDIR /source
RUN python -m venv /opt/satchel
COPY backend/requirements.lock backend/
RUN /opt/satchel/bin/pip install --no-cache-dir --require-hashes -r backend/requirements.lock
COPY . .
RUN /opt/satchel/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim-trixie
# A new volume at /data takes over this owner.
RUN useradd --system --uid 10001 satchel && install --directory --owner satchel /data
COPY --from=build /opt/satchel /opt/satchel
ENV PATH=/opt/satchel/bin:$PATH SATCHEL_HOST=0.0.0.0 SATCHEL_OPEN=true SATCHEL_PORT=8000 SATCHEL_DATA_DIR=/data
USER 10001
WORKDIR /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=8)"]
ENTRYPOINT ["satchel"]
CMD ["serve"]
