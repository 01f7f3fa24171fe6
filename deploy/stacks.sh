#!/usr/bin/env bash
# Synthesizes, deploys, describes and deletes the stacks of the app. Whatever makes or reads a stack asks here, and so need not know
# how many there are.
#
#   stacks.sh synth      writes the templates for the settings in the environment; needs no credentials
#   stacks.sh names      the stacks and their templates, in the order in which they need each other
#   stacks.sh deploy     deploys what was synthesized, in that order
#   stacks.sh outputs    what the stacks put out, a line NAME=value each
#   stacks.sh delete     deletes them the other way round; what a stack retains stays
#
# The templates are in cdk.out, or in the folder that STACKS_OUT names. CloudFormation acts by your rights, or by the role that
# STACKS_ROLE_ARN names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
out=${STACKS_OUT:-cdk.out}
role=(${STACKS_ROLE_ARN:+--role-arn "$STACKS_ROLE_ARN"})

fail() { echo "error: $1" >&2; echo "hint: $2" >&2; exit "${3:-64}"; }

synth() {
  [ -x node_modules/.bin/cdk ] || npm ci --silent --no-audit --no-fund
  npx cdk synth --quiet --output "$out"
}

names() { # the assembly says which stack needs which
  [ -f "$out/manifest.json" ] || fail "nothing was synthesized into deploy/$out" "run deploy/stacks.sh synth first"
  # shellcheck disable=SC2016 # it is JavaScript
  node -e '
    const { artifacts } = JSON.parse(require("node:fs").readFileSync(process.argv[1], "utf8"));
    const left = Object.entries(artifacts).filter(([, { type }]) => type === "aws:cloudformation:stack");
    const ids = new Set(left.map(([id]) => id));
    for (const done = new Set(); left.length > 0; ) {
      const next = left.findIndex(([, { dependencies = [] }]) => dependencies.every((id) => !ids.has(id) || done.has(id)));
      const [[id, { properties }]] = left.splice(next, 1);
      done.add(id);
      console.log(`${properties.stackName ?? id}\t${properties.templateFile}`);
    }' "$out/manifest.json"
}

each() { # the lines of `names`, in this order, to this function
  local list
  list=$(names | "$1")
  while IFS=$'\t' read -r stack template; do "$2" "$stack" "$out/$template"; done <<<"$list"
}

deploy_one() {
  aws cloudformation deploy --stack-name "$1" --template-file "$2" --capabilities CAPABILITY_IAM --no-fail-on-empty-changeset \
    "${role[@]}" </dev/null
}

outputs_of() { # a stack without any prints None
  aws cloudformation describe-stacks --stack-name "$1" --output text --query 'Stacks[0].Outputs[].[OutputKey,OutputValue]' </dev/null | sed -n 's/\t/=/p'
}

delete_one() {
  aws cloudformation delete-stack --stack-name "$1" "${role[@]}" </dev/null
  aws cloudformation wait stack-delete-complete --stack-name "$1" </dev/null
}

case ${1:-} in
  synth) synth ;;
  names) names ;;
  deploy) each cat deploy_one ;;
  outputs) each cat outputs_of ;;
  delete) each tac delete_one ;;
  *) fail "no such command: ${1:-none}" "synth, names, deploy, outputs or delete" ;;
esac
