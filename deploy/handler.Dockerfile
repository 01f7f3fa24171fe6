# An HTTP handler that runs beside the worker: the example of examples/http, as deploy/first.sh builds it. From the top of this
# repository:
#   docker build -t orders-handler -f deploy/handler.Dockerfile examples/http
ARG RUNTIME_IMAGE=public.ecr.aws/docker/library/python:3.13-alpine

FROM ${RUNTIME_IMAGE}
WORKDIR /app
COPY worker.py ./
# On Fargate a mount belongs to root, unless the image has a volume there.
VOLUME ["/tmp"]
USER 65532:65532
# As the first process of its container, Python ignores SIGTERM.
STOPSIGNAL SIGINT
CMD ["python3", "/app/worker.py", "8080"]
