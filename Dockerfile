# Satchel with its embedded database and store; everything it keeps is in the volume /data.
FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv /opt/satchel
COPY backend/requirements.lock backend/
RUN /opt/satchel/bin/pip install --no-cache-dir --require-hashes -r backend/requirements.lock
COPY . .
RUN /opt/satchel/bin/pip install --no-cache-dir --no-deps .

FROM python:3.13-slim
RUN useradd --system --uid 10001 satchel && install --directory --owner satchel /data
COPY --from=build /opt/satchel /opt/satchel
ENV PATH=/opt/satchel/bin:$PATH SATCHEL_HOST=0.0.0.0 SATCHEL_PORT=8000 SATCHEL_DATA_DIR=/data
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD \
    ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["satchel", "serve"]
