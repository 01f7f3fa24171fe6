"""Renders mapping templates on LocalStack's engine, as velocity/Render.java does on Velocity: a case a line in, a text a line out."""

import json
import sys

from localstack.services.apigateway.next_gen.execute_api.template_mapping import ApiGatewayVtlTemplate


def render(case):
    overrides = {"requestOverride": {}, "responseOverride": {"header": {}, "status": 0}}
    context = {**case.get("context", {}), "extendedRequestId": "the-request=", **overrides}
    params = {place: case.get(place, {}) for place in ("path", "querystring", "header")}
    variables = {"input": {"body": case.get("body", ""), "params": params}, "context": context, "stageVariables": {}}
    text, _ = ApiGatewayVtlTemplate().render_request(case["template"], variables, overrides)
    return text


for line in sys.stdin:
    print(json.dumps({"text": render(json.loads(line))}))
