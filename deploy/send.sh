#!/usr/bin/env bash
# Sends a message to the REST API of the stacks that were deployed last, signed by the AWS credentials of the environment; prints its 202.
#
#   deploy/send.sh '{"id": 7}'
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
message=${1:?the message, a JSON document}

outputs=$(./stacks.sh outputs)
output() { sed -n "s/^$1=//p" <<<"$outputs"; }
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region)}}
if [ -n "${AWS_ACCESS_KEY_ID:-}" ]; then
  credentials=$(printf '%s=%s\n' AWS_ACCESS_KEY_ID "$AWS_ACCESS_KEY_ID" AWS_SECRET_ACCESS_KEY "$AWS_SECRET_ACCESS_KEY" AWS_SESSION_TOKEN "${AWS_SESSION_TOKEN:-}")
elif ! credentials=$(aws configure export-credentials --format env-no-export); then
  echo "error: no credentials to sign with" >&2
  echo "hint: the AWS CLI 2 exports those of a profile; with the first version set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" >&2
  exit 69
fi
secret() { sed -n "s/^$1=//p" <<<"$credentials"; }
key=$(aws apigateway get-api-key --include-value --query value --output text --api-key "$(output RestApiKeyId)")

given() { # to curl by a pipe, so that no list of processes shows the secrets
  printf 'user = "%s:%s"\nheader = "x-api-key: %s"\n' "$(secret AWS_ACCESS_KEY_ID)" "$(secret AWS_SECRET_ACCESS_KEY)" "$key"
  [ -z "$(secret AWS_SESSION_TOKEN)" ] || printf 'header = "x-amz-security-token: %s"\n' "$(secret AWS_SESSION_TOKEN)"
  [ "${FIFO:-no}" = no ] || printf 'header = "x-message-group-id: first"\nheader = "x-message-deduplication-id: %s"\n' "$RANDOM$RANDOM"
}

for attempt in 1 2 3 4 5 6; do # a new stage and its key need some seconds
  answer=$(given | curl --silent --show-error --config - --aws-sigv4 "aws:amz:$region:execute-api" \
    --header 'content-type: application/json' --data-raw "$message" --write-out '\n%{http_code}' "$(output RestApiUrl)v1/messages")
  [ "${answer##*$'\n'}" != 202 ] || { echo "202 ${answer%$'\n'*}"; exit; }
  echo "attempt $attempt: $answer" >&2
  sleep "${RETRY_SECONDS:-10}"
done
echo "error: no 202 from $(output RestApiUrl)v1/messages" >&2
echo "hint: 403 is a signature or a key, 400 the message, 5xx the queue: the answer above says which" >&2
exit 1
