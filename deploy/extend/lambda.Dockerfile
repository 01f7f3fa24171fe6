# A Lambda function in Python as the handler, unmodified: Longshore comes into the function's image. From the top of this
# repository:
#   docker build -t orders-worker -f deploy/extend/lambda.Dockerfile examples/lambda/python
ARG LONGSHORE_IMAGE=longshore:latest
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${LONGSHORE_IMAGE} AS longshore

FROM ${RUNTIME_IMAGE} AS runtime
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-pip \
    && rm -rf /var/lib/apt/lists/*
# AWS's own runtime for Python, which starts the function and asks Longshore for its events.
RUN python3 -m pip install --no-cache-dir --break-system-packages awslambdaric==4.2.2
COPY --from=longshore /usr/local/bin/longshore /usr/local/bin/longshore
COPY --from=longshore /usr/share/doc/longshore /usr/share/doc/longshore
WORKDIR /var/task
COPY app.py longshore.toml ./
# An image that Longshore comes into has none of its manners: they are the same for every such image.
VOLUME ["/tmp"]
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["longshore", "healthcheck"]
ENTRYPOINT ["longshore"]
CMD ["run"]
