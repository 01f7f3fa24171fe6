#!/usr/bin/env bash
# From a clone of this repository to the first 202 of a deployment of its own.
#
#   deploy/first.sh          prints what it would run, as a script, with what each step changes and costs; calls nothing
#   deploy/first.sh --go     runs it; what is there already is left as it is, so run it again after an error
#
# In the environment: PROJECT_NAME, STAGE (dev), AWS_REGION or the region of your profile, and any other setting of docs/deploy-settings.md. IMAGE
# and HANDLER_IMAGE name images that are there already; without them the worker is built of this clone, and the handler of
# HANDLER_CONTEXT (examples/http) by HANDLER_DOCKERFILE (deploy/handler.Dockerfile). MESSAGE is what is sent.
#
# The commands of a step are texts, which are printed or run.
# shellcheck disable=SC2016
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { echo "error: $1" >&2; echo "hint: $2" >&2; exit 64; }

case ${1:-} in
  '') go= ;;
  --go) go=yes ;;
  *) fail "no such option: $1" "deploy/first.sh prints what it would run, deploy/first.sh --go runs it" ;;
esac
[ $# -le 1 ] || fail "too many arguments: $*" "everything else is said by the environment: docs/deploy-settings.md"

named() { # a part of every name: its variable, its value and the most letters
  [[ $2 =~ ^[a-z][a-z0-9-]*$ && ${#2} -le $3 ]] || fail "$1 is no name: '$2'" "1 to $3 lower-case letters, digits and hyphens, a letter first: $1=${4}"
}

PROJECT_NAME=${PROJECT_NAME:-} STAGE=${STAGE:-dev} ARCHITECTURE=${ARCHITECTURE:-X86_64}
named PROJECT_NAME "$PROJECT_NAME" 24 orders
named STAGE "$STAGE" 12 dev
AWS_REGION=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region 2>/dev/null || true)}}
[[ $AWS_REGION =~ ^[a-z]{2}(-[a-z]+)+-[0-9]$ ]] || fail "AWS_REGION is no region: '$AWS_REGION'" "such as AWS_REGION=eu-west-1"
case $ARCHITECTURE in
  X86_64) PLATFORM=linux/amd64 ;;
  ARM64) PLATFORM=linux/arm64 ;;
  *) fail "ARCHITECTURE is neither X86_64 nor ARM64: '$ARCHITECTURE'" "what the images are built for" ;;
esac
HANDLER_CONTEXT=${HANDLER_CONTEXT:-examples/http} HANDLER_DOCKERFILE=${HANDLER_DOCKERFILE:-deploy/handler.Dockerfile}
MESSAGE=${MESSAGE:-'{"id": 7}'}
builds_worker=$([ -n "${IMAGE:-}" ] || echo yes)
builds_handler=$([ -n "${HANDLER_IMAGE:-}${HANDLER:-}" ] || echo yes)
if [ -n "$builds_handler" ]; then
  [ -d "$HANDLER_CONTEXT" ] || fail "HANDLER_CONTEXT is no folder: $HANDLER_CONTEXT" "what the image of your handler is built of, from the top of this repository"
  [ -f "$HANDLER_DOCKERFILE" ] || fail "HANDLER_DOCKERFILE is not there: $HANDLER_DOCKERFILE" "how the image of your handler is built"
fi

needed="aws curl node npm"
[ -z "$builds_worker$builds_handler" ] || needed+=" docker git"
for program in $needed; do
  command -v "$program" >/dev/null || fail "$program is not here" "install it: first.sh needs $needed"
done

number=0
step() { # one step: its title, what it changes and costs, and its commands on standard input
  local commands
  commands=$(cat)
  number=$((number + 1))
  printf '\n# %s. %s\n#    %s\n' "$number" "$1" "$2"
  if [ -z "$go" ]; then echo "$commands"; else eval "$commands"; fi
}

naming() { # what of the images is built here is called after the commit
  cat <<'SH'
REGISTRY=$ACCOUNT.dkr.ecr.$AWS_REGION.amazonaws.com
TAG=$(git rev-parse --short=12 HEAD)
git diff --quiet HEAD || TAG+=-$(git diff HEAD | git hash-object --stdin | cut -c 1-8)
SH
  [ -z "$builds_worker" ] || echo 'export IMAGE=$REGISTRY/$PROJECT_NAME/longshore:$TAG'
  [ -z "$builds_handler" ] || echo 'export HANDLER_IMAGE=$REGISTRY/$PROJECT_NAME/handler:$TAG'
}

stopped() {
  echo "error: step $number did not succeed: nothing after it was run" >&2
  echo "hint: mend what the lines above say, and run deploy/first.sh --go again: it goes on from there" >&2
}
[ -z "$go" ] || trap '[ $? -eq 0 ] || stopped' EXIT

echo '#!/usr/bin/env bash'
[ -n "$go" ] || echo "# Nothing was run: deploy/first.sh --go runs this."
echo "set -euo pipefail"
export AWS_DEFAULT_REGION=$AWS_REGION # which the AWS CLI of the first version reads
for name in PROJECT_NAME STAGE AWS_REGION AWS_DEFAULT_REGION ARCHITECTURE; do printf 'export %s=%q\n' "$name" "${!name}"; done
export PROJECT_NAME STAGE AWS_REGION ARCHITECTURE
# Any other setting that is given is used, and so is part of the script.
while read -r name; do
  [ -z "${!name:-}" ] || { printf 'export %s=%q\n' "$name" "${!name}"; export "${name?}"; }
done < <(sed -nE 's/^\| `([A-Z_]+)` \|.*/\1/p' docs/deploy-settings.md | grep -vxE 'PROJECT_NAME|STAGE|ARCHITECTURE')
constants="MESSAGE"
[ -z "$builds_worker$builds_handler" ] || constants+=" PLATFORM"
[ -z "$builds_handler" ] || constants+=" HANDLER_CONTEXT HANDLER_DOCKERFILE"
for name in $constants; do printf '%s=%q\n' "$name" "${!name}"; done

step "See which account this is" "Reads only." <<'SH'
ACCOUNT=$(aws sts get-caller-identity --query Account --output text)
echo "account $ACCOUNT, region $AWS_REGION"
SH

if [ -n "$builds_worker$builds_handler" ]; then
  step "Name the images after this commit" "Reads only. What was changed since, and is known to git, is part of the name." < <(naming)
fi

step "Write the templates" "Writes deploy/cdk.out, and installs the CDK into deploy/node_modules. A setting that cannot work is refused here." <<'SH'
deploy/stacks.sh synth
deploy/stacks.sh names
SH

if [ -n "$builds_worker$builds_handler" ]; then
  step "Make the repositories of the images" "ECR: about \$0.10 a GB and month; an image is scanned when it is pushed, and never overwritten." <<'SH'
for image in "${IMAGE:-}" "${HANDLER_IMAGE:-}"; do
  case $image in "$REGISTRY/$PROJECT_NAME"/*) ;; *) continue ;; esac
  repository=${image#*/} repository=${repository%:*}
  aws ecr describe-repositories --repository-names "$repository" --query 'repositories[0].repositoryUri' --output text 2>/dev/null ||
    aws ecr create-repository --repository-name "$repository" --image-scanning-configuration scanOnPush=true \
      --image-tag-mutability IMMUTABLE --query repository.repositoryUri --output text
done
aws ecr get-login-password | docker login --username AWS --password-stdin "$REGISTRY"
SH
  [ -z "$builds_worker" ] || step "Build the worker's image, and push it" "Compiles Longshore: ten minutes to half an hour of your machine, with $PLATFORM. Skipped when it is there." <<'SH'
if ! aws ecr describe-images --repository-name "$PROJECT_NAME/longshore" --image-ids "imageTag=$TAG" >/dev/null 2>&1; then
  docker build --platform "$PLATFORM" --build-arg "REVISION=$TAG" --tag "$IMAGE" .
  docker push "$IMAGE"
fi
SH
  [ -z "$builds_handler" ] || step "Build the handler's image, and push it" "A minute of your machine. Skipped when it is there." <<'SH'
if ! aws ecr describe-images --repository-name "$PROJECT_NAME/handler" --image-ids "imageTag=$TAG" >/dev/null 2>&1; then
  docker build --platform "$PLATFORM" --file "$HANDLER_DOCKERFILE" --tag "$HANDLER_IMAGE" "$HANDLER_CONTEXT"
  docker push "$HANDLER_IMAGE"
fi
SH
fi

step "Let ECS act in this account" "A role that AWS owns, once in an account, without costs: a new account's first stack may fail for want of it." <<'SH'
aws iam get-role --role-name AWSServiceRoleForECS --query Role.Arn --output text 2>/dev/null ||
  aws iam create-service-linked-role --aws-service-name ecs.amazonaws.com --query Role.Arn --output text
SH

step "Deploy" "About ten minutes. With the defaults \$107 a month at rest, of which the private network is \$73; NETWORK=public MIN_TASKS=0: \$15." <<'SH'
deploy/stacks.sh deploy
deploy/stacks.sh outputs
SH

step "Send a signed request" "One message into the queue, which the worker hands to the handler. Well under a cent." <<'SH'
deploy/send.sh "$MESSAGE"
SH

step "See it handled" "Reads only." <<'SH'
echo "next: aws logs tail /longshore/$PROJECT_NAME-$STAGE/worker --region $AWS_REGION --since 10m"
echo "take it down: deploy/stacks.sh delete, and deploy/README.md#take-it-down for what stays"
SH
