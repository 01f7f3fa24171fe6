"""What Terraform's console and the CDK's templates say of the same shape, in one form."""

import collections
import json
import re

ARN = "arn:aws:{}:eu-west-1:123456789012:{}".format
SHOP = "https://shop.example.com"
CLIENTS = "s3://orders-trust/clients.pem"
OFFICE = {"Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", "Condition": {"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}}}]}
HANDLER = {
    "containers": {
        "worker": {"secrets": {"LONGSHORE_TOKEN": ARN("ssm", "parameter/orders/token")}},
        "handler": {
            "environment": {"MODE": "fast"},
            "secrets": {"DB_PASSWORD": ARN("secretsmanager", "secret:orders/db-AbC123:password::")},
            "command": ["serve", "--port", "8080"],
            "user": "1000:1000",
            "health_check": {"command": ["CMD", "/healthy"], "interval": 10},
            "ulimits": {"nofile": 4096},
            "file_systems": [{"id": "fs-0123456789abcdef0", "path": "/data", "security_group": "sg-0123456789abcdef0", "access_point": "fsap-0123456789abcdef0"}],
        },
    },
    "task": {
        "statements": [{"actions": ["s3:GetObject", "s3:PutObject"], "resources": ["arn:aws:s3:::orders-archive/in"]}],
        "managed_policies": ["arn:aws:iam::123456789012:policy/orders-table"],
        "secret_keys": [ARN("kms", "key/0123")],
        "ephemeral_storage": 50,
        "log_buffer": 25,
    },
}
# What is there already, and several queues.
THERE = {
    "network": "existing",
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
    "public_ip": True,
    "image": "210987654321.dkr.ecr.eu-west-1.amazonaws.com/mirror/longshore@sha256:0123",
    "existing": {
        "queue": ARN("sqs", "incoming.fifo"),
        "dlq": ARN("sqs", "incoming-dead.fifo"),
        "key": ARN("kms", "key/0123"),
        "topic": ARN("sns", "outcomes"),
        "alarm_topic": ARN("sns", "pager"),
        "cluster": "shared",
        "api_log_role": True,
    },
    "queues": [
        {"name": "letters", "queue": ARN("sqs", "letters"), "dlq": ARN("sqs", "letters-dead"), "concurrency": 2, "timeout": 7200},
        {"name": "bounces", "queue": ARN("sqs", "bounces.fifo"), "handler": {"kind": "exec", "command": "/app/bounce"}},
        {"name": "returns", "queue": ARN("sqs", "returns"), "key": ARN("kms", "key/4567"), "batch_size": 10, "visibility": 60},
    ],
    "pull_through": True,
    "tags": {"team": "orders", "cost-centre": "7"},
}
ROUTER = {"image": "public.ecr.aws/aws-observability/aws-for-fluent-bit:stable", "options": {"Name": "http", "Host": "logs.example.com"}}
# The shapes of test/shapes.ts that the module has, by its variables.
DOORS = {
    "standard": {},
    "fifo": {"fifo": True},
    "doors": {
        "rest_authorization": "COGNITO",
        "http_authorization": "JWT",
        "rest": {
            "authorizer": {"user_pools": [ARN("cognito-idp", "userpool/eu-west-1_AbCdEf")], "scopes": ["orders/send"]},
            "cors": {"origins": [SHOP], "max_age": 600},
            "domain": {"name": "rest.example.com", "certificate": ARN("acm", "certificate/0123"), "trust_store": CLIENTS},
            "throttling": {"POST /v1/messages/batch": 10},
            "key": False,
            "open_queue_route": True,
            "compression": 1024,
        },
        "http": {
            "authorizer": {"issuer": "https://issuer.example.com/", "audience": ["orders"], "scopes": ["send"]},
            "cors": {"origins": [SHOP, "https://desk.example.com"]},
            "domain": {"name": "http.example.com", "certificate": ARN("acm", "certificate/4567"), "trust_store": CLIENTS},
            "throttling": {"GET /v1/send": 5},
        },
    },
    "lambda": {
        "rest_authorization": "LAMBDA",
        "http_authorization": "LAMBDA",
        "rest": {"authorizer": {"function": ARN("lambda", "function:door"), "header": "X-Token", "cache": 0}, "open_queue_route": True},
        "http": {"authorizer": {"function": ARN("lambda", "function:door")}},
    },
    "open": {"rest_authorization": "NONE", "http_authorization": "NONE"},
    "office": {"apis": "rest", "rest": {"policy": json.dumps(OFFICE)}},
    "http": {"apis": "http", "http_authorization": "NONE"},
    "none": {"apis": "none"},
    "everything": {
        "apis": "rest",
        "rest_authorization": "KEY",
        "message_schema": '{"type": "object", "required": ["order"]}',
        "notify": ["done", "failure", "reject"],
        "waf_acl_arn": ARN("wafv2", "regional/webacl/orders/0123"),
        "alarm_email": "ops@example.com",
    },
}
TASKS = {
    "standard": {},
    "fifo": {"fifo": True},
    "exec": {"handler_image": None, "handler": {"kind": "exec", "command": "/app/job,--fast", "reject": "65,66"}},
    "collector": {"collector_image": "public.ecr.aws/aws-observability/aws-otel-collector:v0.43.3"},
    "handler": HANDLER,
    "shell": {"task": {"execute_command": True, "log_router": ROUTER}},
    "public": {"network": "public", "notify": []},
    "eager": {"scale_out": "workers"},
    "there": THERE,
}
DOOR = "{problems = local.problems, routes = local.routes, gates = local.gates, rest = local.rest_authorizers, http = local.http_authorizers, http_gate = local.http_gate, http_routes = local.has_http ? local.http_routes : {}, limits = local.has_rest ? local.rest_limits : {}, logs = local.log_formats, has = [local.has_rest, local.has_http], preflights = local.preflights, gateway = local.gateway_headers, schemas = local.schemas, template = local.template, answers = local.answers, origin = local.origin, invocations = local.invocations}"
TASK = "{problems = local.problems, containers = jsondecode(local.container_definitions), task = local.task_statements, execution = local.execution_statements}"


class Stacks:
    """The templates of a shape."""

    def __init__(self, templates):
        self.templates = templates
        self.texts = {name: one["Is"] for template in templates for name, one in template.get("Mappings", {}).get("LongshoreTemplates", {}).items()}

    def all(self, kind):
        """The properties of its resources of this type, by their ids."""
        return {name: one["Properties"] for template in self.templates for name, one in template["Resources"].items() if one["Type"] == kind}

    def text(self, value):
        """A text of a template, whose parts may stand in a mapping."""
        if isinstance(value, str):
            return value
        if "Fn::FindInMap" in value:
            return self.texts[value["Fn::FindInMap"][1]]
        return "".join(self.text(part) for part in value["Fn::Join"][1])

    def routes(self):
        """The methods of the REST API by method and path."""
        parts = self.all("AWS::ApiGateway::Resource")

        def path(name):
            part = parts.get(name)
            return "" if part is None else f"{path(part['ParentId'].get('Ref'))}/{part['PathPart']}"

        return {f"{one['HttpMethod']} {path(one['ResourceId'].get('Ref'))}": one for one in self.all("AWS::ApiGateway::Method").values()}

    def of(self, kind, *names):
        """These properties of the one resource of the type; nothing, if there is none."""
        return [{name: self.told(one[name]) for name in names if name in one} for one in self.all(kind).values()]

    def told(self, value):
        """A value with what only AWS knows in the words of the console's stub."""
        if isinstance(value, list):
            return [self.told(one) for one in value]
        if not isinstance(value, dict):
            return value
        (key, inner), *more = value.items() or [("", None)]
        if more or not (key == "Ref" or key.startswith("Fn::")):
            return {name: self.told(one) for name, one in value.items()}
        if key == "Ref":
            return {"AWS::Region": "REGION", "AWS::Partition": "aws", "AWS::AccountId": "123456789012", "WorkerLogs": "LOG"}.get(inner, inner)
        if key == "Fn::GetAtt":
            return "LOG:*" if inner == ["WorkerLogs", "Arn"] else ".".join(inner)
        if key == "Fn::ImportValue":
            return "KEY" if inner == "orders-test-key" else inner
        if key == "Fn::Join":
            return inner[0].join(self.told(inner[1]))
        known = {"AWS::Region": "REGION", "AWS::Partition": "aws", "AWS::AccountId": "123456789012", "AWS::URLSuffix": "SUFFIX"}
        return re.sub(r"\$\{([\w:]+)\}", lambda match: known[match.group(1)], inner)


def door_of_stacks(stacks):
    """Who is let in, and what API Gateway makes of requests, by the templates."""
    routes = stacks.routes()
    sending = {name: one for name, one in routes.items() if not name.startswith("OPTIONS")}
    integrations = [one["Integration"] for one in sending.values()]
    templates = collections.Counter(("request", stacks.text(text)) for one in integrations for text in one["RequestTemplates"].values())
    templates.update((one["StatusCode"], one["SelectionPattern"], stacks.text(one["ResponseTemplates"]["application/json"])) for each in integrations for one in each["IntegrationResponses"])
    origins = {json.dumps(one.get("ResponseParameters", {})) for each in integrations for one in each["IntegrationResponses"]}
    settings = [one for stage in stacks.all("AWS::ApiGateway::Stage").values() for one in stage["MethodSettings"]]
    http_stages = list(stacks.all("AWS::ApiGatewayV2::Stage").values())
    return {
        "problems": [],
        "gates": {name: (one["AuthorizationType"], one["ApiKeyRequired"], one.get("AuthorizationScopes", [])) for name, one in sending.items()},
        "types": {name: sorted(one["Integration"]["RequestTemplates"]) for name, one in sending.items()},
        "templates": templates,
        "origins": origins,
        "preflights": {name.split(" ")[1]: headers(one["Integration"]["IntegrationResponses"][0]["ResponseParameters"]) for name, one in routes.items() if name.startswith("OPTIONS")},
        "gateway": {one["ResponseType"]: headers(one.get("ResponseParameters", {})) for one in stacks.all("AWS::ApiGateway::GatewayResponse").values()},
        "schemas": sorted(json.dumps(one["Schema"], sort_keys=True) for one in stacks.all("AWS::ApiGateway::Model").values()),
        "rest": stacks.of("AWS::ApiGateway::Authorizer", "Type", "IdentitySource", "ProviderARNs", "AuthorizerUri", "AuthorizerResultTtlInSeconds"),
        "http": stacks.of("AWS::ApiGatewayV2::Authorizer", "AuthorizerType", "IdentitySource", "JwtConfiguration", "AuthorizerUri", "AuthorizerResultTtlInSeconds"),
        "http_gates": {one["RouteKey"]: (one["AuthorizationType"], one.get("AuthorizationScopes", [])) for one in stacks.all("AWS::ApiGatewayV2::Route").values()},
        "limits": {f"{one['ResourcePath'].removeprefix('/').replace('~1', '/').removeprefix('/')}/{one['HttpMethod']}": one["ThrottlingRateLimit"] for one in settings},
        "logs": [json.loads(one["AccessLogSetting"]["Format"]) for one in stacks.all("AWS::ApiGateway::Stage").values()] + [json.loads(one["AccessLogSettings"]["Format"]) for one in http_stages],
    }


def headers(parameters):
    """The headers of an answer, by their names alone."""
    return {name.split(".")[-1]: value for name, value in parameters.items()}


def door_of_module(door):
    """The same by the module's values."""
    route = {name: f"{one['method']} {one['path']}" for name, one in door["routes"].items()}
    templates = collections.Counter(("request", door["template"][one["template"]]) for one in door["routes"].values() for _ in one["types"])
    templates.update((one["status"], one["pattern"], door["template"][one["template"]]) for one in door["answers"].values())
    invocations = door["invocations"]

    def authorizer(one, **more):
        uri = None if one["function"] is None else f"{invocations}/{one['function']}/invocations"
        return {name: value for name, value in {**more, "AuthorizerUri": uri, "AuthorizerResultTtlInSeconds": one["ttl"]}.items() if value is not None}

    has_rest, has_http = door["has"]
    return {
        "problems": door["problems"],
        "gates": {route[name]: (one["type"], one["key"], one["scopes"]) for name, one in door["gates"].items()},
        "types": {route[name]: sorted(one["types"]) for name, one in door["routes"].items()},
        "templates": templates,
        "origins": {json.dumps({f"method.response.header.{name}": value for name, value in door["origin"].items()})} if has_rest else set(),
        "preflights": {door["routes"][name]["path"]: one for name, one in door["preflights"].items()},
        "gateway": door["gateway"],
        "schemas": sorted(json.dumps(json.loads(one), sort_keys=True) for one in door["schemas"].values()),
        "rest": [authorizer(one, Type=one["type"], IdentitySource=one["identity_source"], ProviderARNs=one["provider_arns"]) for one in door["rest"].values()],
        "http": [authorizer(one, AuthorizerType=one["type"], IdentitySource=[one["identity_source"]], JwtConfiguration={name.capitalize(): value for jwt in one["jwt"] for name, value in jwt.items()} or None) for one in door["http"].values()],
        "http_gates": dict.fromkeys(door["http_routes"], (door["http_gate"]["type"], door["http_gate"]["scopes"])),
        "limits": door["limits"],
        "logs": [json.loads(door["logs"][name]) for name, has in (("rest", has_rest), ("http", has_http)) if has],
    }


def task_of_stacks(stacks):
    """The containers and what the roles may do, by the templates."""
    (task,) = stacks.all("AWS::ECS::TaskDefinition").values()

    def role(name):
        documents = [policy["PolicyDocument"] for policy in stacks.all("AWS::IAM::Role")[name].get("Policies", [])]
        documents += [one["PolicyDocument"] for one in stacks.all("AWS::IAM::Policy").values() if one["Roles"] == [{"Ref": name}]]
        return statements(stacks.told([one for document in documents for one in document["Statement"]]))

    return {"problems": [], "containers": {one["Name"]: container(lower(stacks.told(one))) for one in task["ContainerDefinitions"]}, "task": role("TaskRole"), "execution": role("ExecutionRole")}


def task_of_module(task):
    """The same by the module's values."""
    given = {name: [{"Action": one["actions"], "Resource": one["resources"], "Condition": one.get("conditions", {})} for one in task[name]] for name in ("task", "execution")}
    return {"problems": task["problems"], "containers": {one["name"]: container(one) for one in task["containers"]}, **{name: statements(one) for name, one in given.items()}}


def statements(all_of_them):
    """Statements without an order, each list too."""
    def listed(value):
        return tuple(sorted([value] if isinstance(value, str) else value))

    return sorted((listed(one["Action"]), listed(one["Resource"]), json.dumps({test: {name: listed(values) for name, values in of.items()} for test, of in one.get("Condition", {}).items()}, sort_keys=True)) for one in all_of_them)


def container(one):
    """A container's definition; what is empty is not there, and variables have no order."""
    plain = {name: value for name, value in one.items() if value not in ([], {})}
    for name, value in (("environment", "value"), ("secrets", "valueFrom")):
        plain[name] = {each["name"]: each[value] for each in one.get(name, [])}
    return plain


def lower(value):
    """Properties of CloudFormation in the spelling of ECS; the options of a log driver are texts of their own."""
    if isinstance(value, list):
        return [lower(one) for one in value]
    if not isinstance(value, dict):
        return value
    return {name[0].lower() + name[1:]: one if name == "Options" else lower(one) for name, one in value.items()}
