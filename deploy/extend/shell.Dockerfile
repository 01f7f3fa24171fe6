# A shell script as the handler: Longshore comes into an image that has what the script needs. From the top of this
# repository:
#   docker build -t archive-worker -f deploy/extend/shell.Dockerfile examples/exec
ARG LONGSHORE_IMAGE=longshore:latest
ARG RUNTIME_IMAGE=debian:bookworm-slim

FROM ${LONGSHORE_IMAGE} AS longshore

FROM ${RUNTIME_IMAGE}
COPY --from=longshore /usr/local/bin/longshore /usr/local/bin/longshore
COPY --from=longshore /usr/share/doc/longshore /usr/share/doc/longshore
# The certificates that TLS trusts, which a slim image does not have.
COPY --from=longshore /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
WORKDIR /app
COPY archive.sh longshore.toml ./
RUN mkdir archive && chown 65532:65532 archive
# An image that Longshore comes into has none of its manners: they are the same for every such image.
VOLUME ["/tmp"]
USER 65532:65532
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["longshore", "healthcheck"]
ENTRYPOINT ["longshore"]
CMD ["run"]
