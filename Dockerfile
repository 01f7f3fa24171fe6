# The worker as a container image: docs/docker.md says how to run, configure and extend it.
# The bases. `make pin` writes their digests here, each behind its tag, and again whenever they are to be renewed.
ARG BUILD_IMAGE=rust:1-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/static-debian12:nonroot

FROM ${BUILD_IMAGE} AS build
WORKDIR /src
COPY . .
# For `longshore --version`; git is not here.
ARG REVISION=
# What the caches hold is no part of the image, so the program leaves the target directory in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/usr/local/cargo/git \
    --mount=type=cache,target=/src/target \
    LONGSHORE_REVISION="$REVISION" cargo build --release --locked --bin longshore \
    && install -D target/release/longshore /out/longshore

# The C library that the program was linked with, and of which packages it is, for scanners. It is a fifth of what the base with
# it weighs, which has OpenSSL and C++ beside it.
FROM ${BUILD_IMAGE} AS libraries
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
COPY --from=build /out/longshore /
RUN ldd /longshore | grep -o '/[^ ]*' | while read -r library; do install -D "$library" "/libraries$library"; done \
    && mkdir -p /libraries/var/lib/dpkg/status.d \
    && for package in libc6 libgcc-s1; do dpkg-query --status "$package" >"/libraries/var/lib/dpkg/status.d/$package"; done

# The bill of materials: what the program of this build is made of, in CycloneDX 1.5.
FROM ${BUILD_IMAGE} AS sbom
ARG CYCLONEDX=0.5.9
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    CARGO_PROFILE_RELEASE_OPT_LEVEL=0 cargo install --locked --root /tools cargo-cyclonedx --version "${CYCLONEDX}"
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    PATH="/tools/bin:$PATH" cargo cyclonedx --format json --spec-version 1.5 --override-filename longshore.cdx

FROM ${RUNTIME_IMAGE} AS runtime
COPY LICENSE-MIT LICENSE-APACHE THIRD-PARTY.md /usr/share/doc/longshore/
COPY --from=sbom /src/longshore.cdx.json /usr/share/doc/longshore/
COPY --from=libraries /libraries /
COPY --from=build /out/longshore /usr/local/bin/longshore
# Written by the exec kind only, and so where the rest is read-only; as a volume, because Fargate gives a mount to root alone
# where the image has none.
VOLUME ["/tmp"]
# Where longshore.toml is looked for.
WORKDIR /etc/longshore
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
# The admin port; published only where LONGSHORE__ADMIN__LISTEN=0.0.0.0:9090 opens it.
EXPOSE 9090
STOPSIGNAL SIGTERM
# The image has no shell: the program asks itself.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["longshore", "healthcheck"]
ENTRYPOINT ["longshore"]
CMD ["run"]

# Last, because they change with every build.
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="longshore" \
      org.opencontainers.image.description="A long-running SQS worker: leases kept while handlers run, nothing lost, nothing silent" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
