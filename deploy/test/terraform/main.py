"""Checks deploy/terraform without applying it.

    python main.py PROVIDER TEMPLATE…

PROVIDER is the unpacked npm package @cdktf/provider-aws, whose types are the provider's schema; TEMPLATE are those of the CDK for the
same settings, which the module is compared with. With `terraform` on PATH its own formatter is asked, and its console for what
the templates, the alarms and the scaling are.
"""

import collections
import functools
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import hcl2
from schema import Provider
from shapes import DOOR, DOORS, TASK, TASKS, Stacks, door_of_module, door_of_stacks, task_of_module, task_of_stacks

DEPLOY = pathlib.Path(__file__).resolve().parents[2]
MODULE = DEPLOY / "terraform"
PROVIDER = Provider(sys.argv[1]) if len(sys.argv) > 1 else None
TEMPLATES = [json.loads(pathlib.Path(path).read_text()) for path in sys.argv[2:]]
GIVEN = {"project_name": "orders", "stage": "test", "image": "123456789012.dkr.ecr.eu-west-1.amazonaws.com/longshore:1.0.0", "handler_image": "handler:1"}
# Terraform's own, which no provider has.
BUILT_IN = {"terraform_data"}
META = {"count", "for_each", "depends_on", "lifecycle", "provider", "dynamic", "__start_line__", "__end_line__"}
# What Terraform calls what CloudFormation calls so; a resource of one may be a property of another.
SAME = {
    "aws_kms_key": "AWS::KMS::Key",
    "aws_sqs_queue": "AWS::SQS::Queue",
    "aws_sqs_queue_policy": "AWS::SQS::QueuePolicy",
    "aws_sns_topic": "AWS::SNS::Topic",
    "aws_sns_topic_policy": "AWS::SNS::TopicPolicy",
    "aws_sns_topic_subscription": "AWS::SNS::Subscription",
    "aws_iam_role": "AWS::IAM::Role",
    "aws_iam_service_linked_role": "AWS::IAM::ServiceLinkedRole",
    "aws_iam_role_policy": "AWS::IAM::Role",
    "aws_iam_role_policy_attachment": "AWS::IAM::Role",
    "aws_cloudwatch_log_group": "AWS::Logs::LogGroup",
    "aws_apigatewayv2_api": "AWS::ApiGatewayV2::Api",
    "aws_apigatewayv2_integration": "AWS::ApiGatewayV2::Integration",
    "aws_apigatewayv2_route": "AWS::ApiGatewayV2::Route",
    "aws_apigatewayv2_stage": "AWS::ApiGatewayV2::Stage",
    "aws_api_gateway_rest_api": "AWS::ApiGateway::RestApi",
    "aws_api_gateway_account": "AWS::ApiGateway::Account",
    "aws_api_gateway_deployment": "AWS::ApiGateway::Deployment",
    "aws_api_gateway_stage": "AWS::ApiGateway::Stage",
    "aws_api_gateway_method_settings": "AWS::ApiGateway::Stage",
    "aws_api_gateway_resource": "AWS::ApiGateway::Resource",
    "aws_api_gateway_method": "AWS::ApiGateway::Method",
    "aws_api_gateway_integration": "AWS::ApiGateway::Method",
    "aws_api_gateway_method_response": "AWS::ApiGateway::Method",
    "aws_api_gateway_integration_response": "AWS::ApiGateway::Method",
    "aws_api_gateway_gateway_response": "AWS::ApiGateway::GatewayResponse",
    "aws_api_gateway_request_validator": "AWS::ApiGateway::RequestValidator",
    "aws_api_gateway_model": "AWS::ApiGateway::Model",
    "aws_api_gateway_api_key": "AWS::ApiGateway::ApiKey",
    "aws_api_gateway_usage_plan": "AWS::ApiGateway::UsagePlan",
    "aws_api_gateway_usage_plan_key": "AWS::ApiGateway::UsagePlanKey",
    "aws_api_gateway_authorizer": "AWS::ApiGateway::Authorizer",
    "aws_api_gateway_domain_name": "AWS::ApiGateway::DomainName",
    "aws_api_gateway_base_path_mapping": "AWS::ApiGateway::BasePathMapping",
    "aws_apigatewayv2_authorizer": "AWS::ApiGatewayV2::Authorizer",
    "aws_apigatewayv2_domain_name": "AWS::ApiGatewayV2::DomainName",
    "aws_apigatewayv2_api_mapping": "AWS::ApiGatewayV2::ApiMapping",
    "aws_lambda_permission": "AWS::Lambda::Permission",
    "aws_security_group_rule": "AWS::EC2::SecurityGroupIngress",
    "aws_wafv2_web_acl_association": "AWS::WAFv2::WebACLAssociation",
    "aws_vpc": "AWS::EC2::VPC",
    "aws_subnet": "AWS::EC2::Subnet",
    "aws_route_table": "AWS::EC2::RouteTable",
    "aws_route_table_association": "AWS::EC2::SubnetRouteTableAssociation",
    "aws_internet_gateway": "AWS::EC2::InternetGateway",
    "aws_route": "AWS::EC2::Route",
    "aws_security_group": "AWS::EC2::SecurityGroup",
    "aws_vpc_endpoint": "AWS::EC2::VPCEndpoint",
    "aws_ecs_cluster": "AWS::ECS::Cluster",
    "aws_ecs_cluster_capacity_providers": "AWS::ECS::Cluster",
    "aws_ecs_task_definition": "AWS::ECS::TaskDefinition",
    "aws_ecs_service": "AWS::ECS::Service",
    "aws_appautoscaling_target": "AWS::ApplicationAutoScaling::ScalableTarget",
    "aws_appautoscaling_policy": "AWS::ApplicationAutoScaling::ScalingPolicy",
    "aws_cloudwatch_metric_alarm": "AWS::CloudWatch::Alarm",
    "aws_cloudwatch_event_rule": "AWS::Events::Rule",
    "aws_cloudwatch_event_target": "AWS::Events::Rule",
}
# Terraform attaches a gateway by a property, and all of a role's policies in one way; the rest are of shapes that this comparison does
# not ask for.
ELSEWHERE = {"AWS::EC2::VPCGatewayAttachment", "AWS::IAM::Policy"}
ONLY_ON_REQUEST = {
    "AWS::IAM::ServiceLinkedRole",
    "AWS::SNS::Subscription",
    "AWS::WAFv2::WebACLAssociation",
    "AWS::EC2::InternetGateway",
    "AWS::EC2::Route",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::DomainName",
    "AWS::ApiGateway::BasePathMapping",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::DomainName",
    "AWS::ApiGatewayV2::ApiMapping",
    "AWS::Lambda::Permission",
}


def plain(value):
    """A value of the parser without the list that it puts around each attribute."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return plain(value[0]) if len(value) == 1 and not isinstance(value[0], dict) else [plain(item) for item in value]
    return value


def blocks(of):
    """Each block of a kind in the module: its type, its name and its body."""
    for path in sorted(MODULE.glob("*.tf")):
        for entry in hcl2.loads(path.read_text()).get(of, []):
            for kind, named in entry.items():
                yield from ((kind, name, body) for name, body in named.items())


def problems(where, body, structs, struct):
    """What the provider's schema has against a body."""
    known = structs[struct]
    dynamic = {name: of["content"] for entry in body.get("dynamic", []) for name, of in entry.items()}
    given = {name: value for name, value in body.items() if name not in META} | dynamic
    for name, value in given.items():
        attribute = known.get(name)
        if attribute is None:
            yield f"{where}: there is no {name}"
        elif not attribute.is_settable:
            yield f"{where}: {name} is the provider's to set"
        elif attribute.block and attribute.block in structs and isinstance(value[0], dict):
            for one in value:
                yield from problems(f"{where}.{name}", one, structs, attribute.block)
        elif (wrong := mismatch(attribute.type, value[0])) is not None:
            yield f"{where}: {name} is {attribute.type}, and not {wrong}"
    yield from (f"{where}: {name} is missing" for name, attribute in known.items() if attribute.is_required and name not in given)


def mismatch(type_, value):
    """What a literal is, when the attribute is of another type; an expression may be anything."""
    if isinstance(value, str) and value.startswith("${"):
        return None
    fits = {bool: "boolean" in type_, int: type_ == "number", float: type_ == "number", str: type_ == "string", list: "[]" in type_, dict: "[key: string]" in type_}
    return None if not type_ or fits.get(type(value), True) else f"a {type(value).__name__}"


class Schema(unittest.TestCase):
    def test_every_resource_and_its_attributes_are_the_providers(self):
        found, seen = [], 0
        for of, prefix in (("resource", ""), ("data", "data_")):
            for kind, name, body in blocks(of):
                if kind in BUILT_IN:
                    continue
                seen += 1
                self.assertTrue(PROVIDER.has(prefix + kind), kind)
                found += problems(f"{kind}.{name}", body, PROVIDER.structs(prefix + kind), "")
        self.assertGreater(seen, 60)
        self.assertEqual(found, [])

    def test_everything_that_takes_tags_has_them(self):
        untagged = [f"{kind}.{name}" for kind, name, body in blocks("resource") if kind not in BUILT_IN and "tags" in PROVIDER.structs(kind)[""] and "var.tags" not in str(body.get("tags"))]
        self.assertEqual(untagged, [])

    def test_the_schema_finds_what_is_wrong(self):
        structs = PROVIDER.structs("aws_cloudwatch_metric_alarm")
        wrong = hcl2.loads('resource "x" "y" {\n alarm_nam = "a"\n arn = "b"\n comparison_operator = "c"\n evaluation_periods = "five"\n metric_query {\n idd = "x"\n }\n}\n')
        found = sorted(problems("it", wrong["resource"][0]["x"]["y"], structs, ""))
        self.assertEqual(
            found,
            [
                "it.metric_query: id is missing",
                "it.metric_query: there is no idd",
                "it: alarm_name is missing",
                "it: arn is the provider's to set",
                "it: evaluation_periods is number, and not a str",
                "it: there is no alarm_nam",
            ],
        )

    def test_every_name_that_is_used_is_there(self):
        text = "\n".join(path.read_text() for path in MODULE.glob("*.tf"))
        variables = {kind for path in MODULE.glob("*.tf") for entry in hcl2.loads(path.read_text()).get("variable", []) for kind in entry}
        local_names = {name for path in MODULE.glob("*.tf") for entry in hcl2.loads(path.read_text()).get("locals", []) for name in entry if not name.startswith("__")}
        self.assertEqual(set(re.findall(r"\bvar\.(\w+)", text)), variables, "each variable is used, and each that is used is there")
        self.assertLessEqual(set(re.findall(r"\blocal\.(\w+)", text)), local_names)
        for of, prefix in (("resource", r"(?<![\w.])"), ("data", r"data\.")):
            there = {f"{kind}.{name}" for kind, name, _ in blocks(of)}
            self.assertLessEqual({f"{kind}.{name}" for kind, name in re.findall(prefix + r"(aws_\w+)\.(\w+)", text)}, there)


def resources(kind):
    return [one["Properties"] for template in TEMPLATES for one in template["Resources"].values() if one["Type"] == kind]


def as_set(value):
    return frozenset([value] if isinstance(value, str) else value)


class BesideTheCdk(unittest.TestCase):
    def test_it_has_the_same_types_of_resources(self):
        used = {kind for kind, _, _ in blocks("resource")} - BUILT_IN
        self.assertEqual(used, set(SAME))
        in_stacks = {one["Type"] for template in TEMPLATES for one in template["Resources"].values()}
        self.assertEqual({SAME[kind] for kind in used} - ONLY_ON_REQUEST, in_stacks - ELSEWHERE)

    def test_the_policies_have_the_same_actions(self):
        documents = [one["PolicyDocument"] for kind in ("AWS::SQS::QueuePolicy", "AWS::SNS::TopicPolicy") for one in resources(kind)]
        documents += [one["KeyPolicy"] for one in resources("AWS::KMS::Key")]
        for role in resources("AWS::IAM::Role"):
            documents += [role["AssumeRolePolicyDocument"], *(policy["PolicyDocument"] for policy in role.get("Policies", []) if policy["PolicyName"] == "Send")]
        in_stacks = {(one["Effect"], as_set(one["Action"]), tuple(sorted(one.get("Condition", {})))) for document in documents for one in document["Statement"]}
        here = set()
        for kind, name, body in blocks("data"):
            # What the roles of the task may do is compared by shape.
            if kind == "aws_iam_policy_document" and name not in ("task", "execution"):
                dynamic = [entry["statement"]["content"][0] for entry in body.get("dynamic", [])]
                here |= {(one.get("effect", ["Allow"])[0], frozenset(one["actions"][0]), tuple(sorted(of["test"][0] for of in one.get("condition", [])))) for one in [*body.get("statement", []), *dynamic]}
        here -= {("Allow", frozenset(actions), ("ArnEquals",)) for actions in (["sqs:SendMessage"], ["kms:Decrypt", "kms:GenerateDataKey"])}
        self.assertEqual(here, in_stacks)

    def test_the_role_of_ecs_is_made_before_the_cluster_and_only_when_it_is_asked_for(self):
        made = {kind: plain(body) for kind, _, body in blocks("resource")}
        role = made["aws_iam_service_linked_role"]
        self.assertEqual((role["count"], role["aws_service_name"]), ("${local.makes_ecs_role ? 1 : 0}", "ecs.amazonaws.com"))
        self.assertEqual(made["aws_ecs_cluster"]["depends_on"], "${aws_iam_service_linked_role.ecs}")
        self.assertEqual(defaults()["ecs_role"], "there")

    def test_the_numbers_of_queues_service_and_cluster_are_the_same(self):
        for kind, mapping in NUMBERS.items():
            mine = [plain(body) for one, _, body in blocks("resource") if one == kind]
            for name, property_ in mapping.items():
                in_stacks = {str(functools.reduce(lambda value, part: value[part], property_.split("."), one)).lower() for one in resources(SAME[kind])}
                self.assertEqual({str(given(one, name)).lower() for one in mine}, in_stacks, f"{kind}.{name}")


# What must be the same, by Terraform's name and CloudFormation's.
NUMBERS = {
    "aws_sqs_queue": {
        "kms_data_key_reuse_period_seconds": "KmsDataKeyReusePeriodSeconds",
        "receive_wait_time_seconds": "ReceiveMessageWaitTimeSeconds",
        "visibility_timeout_seconds": "VisibilityTimeout",
        "message_retention_seconds": "MessageRetentionPeriod",
    },
    "aws_kms_key": {"enable_key_rotation": "EnableKeyRotation"},
    "aws_ecs_task_definition": {"cpu": "Cpu", "memory": "Memory", "network_mode": "NetworkMode", "runtime_platform.cpu_architecture": "RuntimePlatform.CpuArchitecture"},
    "aws_ecs_service": {
        "availability_zone_rebalancing": "AvailabilityZoneRebalancing",
        "deployment_minimum_healthy_percent": "DeploymentConfiguration.MinimumHealthyPercent",
        "deployment_maximum_percent": "DeploymentConfiguration.MaximumPercent",
        "deployment_circuit_breaker.rollback": "DeploymentConfiguration.DeploymentCircuitBreaker.Rollback",
        "propagate_tags": "PropagateTags",
    },
    "aws_appautoscaling_target": {"min_capacity": "MinCapacity", "max_capacity": "MaxCapacity", "scalable_dimension": "ScalableDimension"},
    "aws_api_gateway_stage": {"xray_tracing_enabled": "TracingEnabled"},
    "aws_cloudwatch_log_group": {"retention_in_days": "RetentionInDays"},
    "aws_vpc": {"cidr_block": "CidrBlock", "enable_dns_hostnames": "EnableDnsHostnames"},
}


def defaults():
    return {name: plain(body.get("default", [None])) for path in MODULE.glob("*.tf") for entry in hcl2.loads(path.read_text()).get("variable", []) for name, body in entry.items()} | GIVEN


def given(body, path):
    """The value of an attribute with the variables' defaults in it; sums of two numbers are done."""
    for part in path.split("."):
        body = body[0] if isinstance(body, list) else body
        body = body[part]
    text = re.sub(r"^\$\{(.*)\}$", r"\1", str(body))
    text = re.sub(r"var\.(\w+)", lambda match: str(defaults()[match.group(1)]), text)
    product = re.fullmatch(r"(\d+) \* (\d+)", text)
    return int(product[1]) * int(product[2]) if product else text


@unittest.skipIf(shutil.which("terraform") is None, "no terraform here: the console is not asked")
class InTheConsole(unittest.TestCase):
    ASKED = "{math = local.math_alarms, alarms = local.alarms, scaling = local.scaling, steps = local.steps}"

    def test_it_is_formatted(self):
        formatted = subprocess.run(["terraform", "fmt", "-check", "-diff", MODULE], capture_output=True, text=True, check=False)
        self.assertEqual(formatted.stdout, "")

    def test_the_door_of_each_shape_is_the_same(self):
        for shape, variables in DOORS.items():
            here, there = door_of_module(console(DOOR, **variables)), door_of_stacks(of_shape(shape))
            for part, value in there.items():
                with self.subTest(shape=shape, part=part):
                    self.assertEqual(here[part], value)
        self.assertGreater(len(door_of_stacks(of_shape("doors"))["templates"]), 8)

    def test_the_task_of_each_shape_is_the_same(self):
        for shape, variables in TASKS.items():
            here, there = task_of_module(console(TASK, **variables)), task_of_stacks(of_shape(shape))
            for part, value in there.items():
                with self.subTest(shape=shape, part=part):
                    self.assertEqual(here[part], value)

    def test_what_is_there_already_is_used(self):
        existing = {"queue": "arn:aws:sqs:eu-west-1:123456789012:incoming.fifo", "key": "arn:aws:kms:eu-west-1:123456789012:key/0123", "topic": "arn:aws:sns:eu-west-1:123456789012:outcomes", "cluster": "shared"}
        names, made, alarms, task = console("[[local.queue, local.is_fifo, local.dlqs, local.cluster_name], [local.makes_queue, local.makes_key, local.makes_topic, local.makes_alarm_topic, local.makes_cluster], keys(local.alarms), local.task_statements]", existing=existing)
        self.assertEqual((names, made), (["incoming.fifo", True, [], "shared"], [False, False, False, True, False]))
        self.assertEqual(alarms, ["memory", "oldest-message"])
        self.assertEqual({arn for one in task for arn in one["resources"]}, {existing["queue"], existing["topic"], existing["key"], "arn:aws:ecs:REGION:123456789012:task/shared/*", "arn:aws:ecs:REGION:123456789012:service/shared/orders-test-worker"})
        self.assertNotIn("kms:Decrypt", str(console("local.task_statements", existing={"queue": existing["queue"], "topic": existing["topic"]})))

    def test_doors_that_cannot_be_are_refused(self):
        closed = {"rest_authorization": "NONE", "rest": {"key": True}}
        wrong = [
            ({"http_authorization": "NONE"}, "http: everyone may call it, beside a REST API that is closed"),
            ({"http_authorization": "NONE", **closed}, "http: everyone may call it"),
            ({"rest_authorization": "NONE"}, "rest: everyone may call it, beside an HTTP API that is closed"),
            ({"message_schema": "{}"}, "a schema of messages goes with no HTTP API"),
            ({"waf_acl_arn": "arn:x"}, "a web ACL goes with no HTTP API"),
            ({"rest": {"policy": "{}"}}, "a resource policy goes with no HTTP API"),
            ({"apis": "http", "message_schema": "{}"}, "a schema of messages goes with a REST API"),
            ({"rest_authorization": "COGNITO"}, "goes with rest.authorizer"),
            ({"rest_authorization": "COGNITO", "rest": {"authorizer": {}}}, "rest.authorizer.user_pools"),
            ({"rest_authorization": "LAMBDA", "rest": {"authorizer": {}}}, "rest.authorizer.function"),
            ({"http_authorization": "JWT", "http": {"authorizer": {"issuer": "https://x"}}}, "issuer and audience"),
            ({"rest": {"authorizer": {"function": "arn:x"}}}, "goes with another rest_authorization"),
            ({"apis": "rest", "message_schema": "{}", "rest": {"open_queue_route": True}}, "GET /queue cannot be open"),
            ({"rest": {"cors": {"origins": ["a", "b"]}}}, "2 origins for CORS"),
            ({"rest_authorization": "KEY", "rest": {"key": False}}, "the key is who may call it"),
            ({"rest": {"throttling": {"GET /v2": 1}}}, 'a limit for "GET /v2"'),
            ({"http": {"throttling": {"POST /v1/messages/batch": 1}}}, 'http: a limit for "POST /v1/messages/batch"'),
            ({"min_tasks": 5, "max_tasks": 4}, "min_tasks must be at most max_tasks"),
            ({"ecs_role": "make", "existing": {"cluster": "shared"}}, "goes with a cluster that is made here"),
            ({"handler_image": None, "handler": {"kind": "exec"}, "queues": [{"name": "a", "queue": "arn:x"}]}, "without handler_image each needs a handler"),
            ({"handler": {"kind": "exec"}}, "exclude each other"),
            ({"network": "existing"}, "needs vpc_id and subnet_ids"),
            ({"existing": {"queue": "arn:x"}, "subscriptions": [{"topic": "arn:y"}]}, "made here"),
        ]
        for variables, problem in wrong:
            self.assertIn(problem, " ".join(console("local.problems", **variables)), variables)

    def test_the_role_of_ecs_is_made_on_request(self):
        self.assertEqual([console("local.makes_ecs_role", **given) for given in ({}, {"ecs_role": "make"})], [False, True])

    def test_the_alarms_and_the_scaling_are_the_same(self):
        for shape in ("standard", "http", "office", "none", "fifo", "there", "eager"):
            values, stacks = console(self.ASKED, **{**DOORS, **TASKS}[shape]), of_shape(shape)
            policies = stacks.all("AWS::ApplicationAutoScaling::ScalingPolicy")
            with self.subTest(shape=shape):
                in_stacks = {one["AlarmName"]: alarm(one, policies) for one in stacks.all("AWS::CloudWatch::Alarm").values()}
                self.assertEqual({**of_sums(values["math"]), **of_metrics(values["alarms"])}, in_stacks)
                self.assertEqual(scaling_of_module(values), {one["PolicyName"]: scaling(one) for one in policies.values()})

    def test_data_is_kept_unless_the_variables_say_so(self):
        self.assertEqual([console("local.keeps_data", **given) for given in ({}, {"data": "delete"})], [True, False])
        self.assertEqual({template["DeletionPolicy"] for one in ("standard", "throwaway") for template in queues_of(one)}, {"RetainExceptOnCreate", "Delete"})

    def test_a_fifo_queue_has_its_names_and_its_group_in_the_older_routes(self):
        names = console("[local.queue, local.dlqs[0], local.template[\"send_parameter.vtl\"]]", fifo=True)
        self.assertEqual(names[:2], ["orders-test-queue.fifo", "orders-test-dlq.fifo"])
        self.assertIn("MessageGroupId", names[2])

    def test_a_value_that_cannot_be_is_refused_by_name(self):
        wrong = {
            "project_name": "Orders",
            "cpu": 300,
            "queue_retention": 14,
            "network": "nat",
            "visibility": 5,
            "notify": ["later"],
            "log_retention": 2,
            "apis": "some",
            "rest_authorization": "JWT",
            "http_authorization": "COGNITO",
            "message_schema": "text",
            "task": {"statements": [{"actions": ["s3:*"], "resources": ["*"]}]},
            "existing": {"queue": "orders"},
            "ecs_role": "new",
            "data": "lose",
        }
        for name, value in wrong.items():
            self.assertIn(f"{name}:", refused(**{name: value}), name)
        letters = {"name": "letters", "queue": "arn:x"}
        for queues in ([{**letters, "name": f"q{index}"} for index in range(4)], [letters, letters], [{**letters, "name": "jobs"}], [{**letters, "name": "Letters"}], [{**letters, "dlq": "letters"}], [{**letters, "batch_size": 11}]):
            self.assertIn("queues:", refused(queues=queues), queues)


class Kept(unittest.TestCase):
    """kept.tf by itself: Terraform has its type built in."""

    # What queue.tf and names.tf say, here given.
    GIVEN = 'variable "arns" {\n  type = list(string)\n}\nvariable "keeps" {\n  type = bool\n}\nlocals {\n  kept_arns  = var.arns\n  keeps_data = var.keeps\n}\n'

    @unittest.skipIf(shutil.which("terraform") is None, "no terraform here")
    def test_a_queue_that_goes_is_refused_unless_its_data_may_go(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(MODULE / "kept.tf", folder)
            (pathlib.Path(folder) / "given.tf").write_text(self.GIVEN)

            def run(*words):
                return subprocess.run(["terraform", *words, "-no-color"], cwd=folder, capture_output=True, text=True, check=False)

            def plan(arns, *words, keeps="true"):
                return run("plan", "-input=false", f"-var=arns={json.dumps(arns)}", f"-var=keeps={keeps}", *words)

            self.assertEqual(run("init", "-input=false").returncode, 0)
            self.assertEqual(run("apply", "-auto-approve", '-var=arns=["queue", "dlq"]', "-var=keeps=true").returncode, 0)
            self.assertIn("No changes", plan(["queue", "dlq"]).stdout)
            for refused in (plan(["queue", "dlq"], "-destroy"), plan(["queue", "another"]), plan([]), plan(["queue", "dlq"], keeps="false")):
                self.assertEqual(refused.returncode, 1)
                self.assertIn("terraform_data.kept", refused.stderr)
            self.assertEqual(run("state", "rm", "terraform_data.kept").returncode, 0)
            self.assertIn("No changes", plan(["queue", "dlq"], keeps="false").stdout)

    def test_it_names_the_queues_and_the_key(self):
        named = next(entry["kept_arns"] for entry in hcl2.loads((MODULE / "queue.tf").read_text())["locals"])
        self.assertEqual(set(re.findall(r"aws_\w+\.\w+", str(named))), {"aws_sqs_queue.this", "aws_sqs_queue.dlq", "aws_kms_key.this"})


def of_sums(alarms):
    return {
        f"orders-test-{name}": {
            "description": f"{one['description']} docs/alarms.md#{one['section']}",
            "threshold": one["threshold"],
            "periods": (one["periods"], one["datapoints"]),
            "metrics": {key: metric(of["namespace"], of["name"], of["stat"], one["period"], of["dimensions"]) for key, of in one["metrics"].items()},
            "sums": {**one["sums"], **one["result"]},
            "result": next(iter(one["result"])),
            "invokes": [] if one["policy"] is None else [f"orders-test-{one['policy']}"],
            "notifies": one["policy"] is None,
        }
        for name, one in alarms.items()
    }


def of_metrics(alarms):
    return {
        f"orders-test-{name}": {
            "description": f"{one['description']} docs/alarms.md#{one['section']}",
            "threshold": one["threshold"],
            "periods": (one["periods"], None),
            "metrics": {"": metric(one["metric"]["namespace"], one["metric"]["name"], one["metric"]["stat"], 60, one["metric"]["dimensions"])},
            "sums": {},
            "result": "",
            "invokes": [f"orders-test-{policy}" for policy in one["policies"]],
            "notifies": True,
        }
        for name, one in alarms.items()
    }


def scaling(one):
    """A scaling policy of a template, to compare."""
    policy = one["StepScalingPolicyConfiguration"]
    steps = [(step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound"), step["ScalingAdjustment"]) for step in policy["StepAdjustments"]]
    return (policy["Cooldown"], policy.get("MetricAggregationType"), steps)


def scaling_of_module(values):
    def number(text):
        return None if text is None else int(text)

    return {
        f"orders-test-{name}": (policy["cooldown"], policy["aggregation"], [(number(step["lower"]), number(step["upper"]), step["change"]) for step in values["steps"][name]])
        for name, policy in values["scaling"].items()
    }


def queues_of(shape):
    """The queues of a shape, with what becomes of them."""
    return [one for template in of_shape(shape).templates for one in template["Resources"].values() if one["Type"] == "AWS::SQS::Queue"]


def metric(namespace, name, stat, period, dimensions):
    """The HTTP API has an id that nobody knows before it is made."""
    return (namespace, name, stat, period, None if dimensions is None else frozenset(dimensions.items()))


def alarm(one, policies):
    """An alarm of a template, to compare."""
    invoked = [policies[action["Ref"]]["PolicyName"] for action in one["AlarmActions"] if isinstance(action, dict) and action.get("Ref") in policies]

    def of(properties):
        dimensions = {each["Name"]: each["Value"] for each in properties["Dimensions"]}
        return None if any(isinstance(value, dict) for value in dimensions.values()) else dimensions

    queries = one.get("Metrics", [])
    metrics = {each["Id"]: metric(each["MetricStat"]["Metric"]["Namespace"], each["MetricStat"]["Metric"]["MetricName"], each["MetricStat"]["Stat"], each["MetricStat"]["Period"], of(each["MetricStat"]["Metric"])) for each in queries if "MetricStat" in each}
    return {
        "description": one["AlarmDescription"],
        "threshold": one["Threshold"],
        "periods": (one["EvaluationPeriods"], one.get("DatapointsToAlarm")),
        "metrics": metrics or {"": metric(one["Namespace"], one["MetricName"], one["Statistic"], one["Period"], of(one))},
        "sums": {each["Id"]: each["Expression"] for each in queries if "Expression" in each},
        "result": next((each["Id"] for each in queries if each["ReturnData"]), ""),
        "invokes": invoked,
        "notifies": len(one["AlarmActions"]) > len(invoked),
    }


def of_shape(shape):
    """The templates of this shape, which stand beside those that were given."""
    return Stacks([json.loads(path.read_text()) for path in sorted(pathlib.Path(sys.argv[2]).parent.glob(f"{shape}.*.json"))])


# The files that need no provider.
PURE = ("variables.tf", "apis.tf", "details.tf", "names.tf", "door.tf", "routes.tf", "templates.tf", "metrics.tf", "containers.tf", "permissions.tf")
# What the provider knows of them, in the words that the CDK's templates are read by.
STUB = """locals {
  account = "123456789012"
  partition = "aws"
  region = "REGION"
  key_arn = var.existing.key == null ? "KEY" : var.existing.key
  queue_arn = var.existing.queue == null ? "arn:aws:sqs:REGION:123456789012:${local.queue}" : var.existing.queue
  dns_suffix = "SUFFIX"
  queue_url = var.existing.queue == null ? "https://sqs.REGION.SUFFIX/123456789012/${local.queue}" : local.url_of[var.existing.queue]
  dlq_arns = var.existing.queue == null ? ["arn:aws:sqs:REGION:123456789012:${local.dlqs[0]}"] : var.existing.dlq[*]
  topic_arn = var.existing.topic == null ? "arn:aws:sns:REGION:123456789012:${local.prefix}-topic" : var.existing.topic
  subnet_ids = ["Subnet0", "Subnet1"]
  worker_log = "LOG"
  worker_log_arn = "LOG"
}
"""


def asked(expression, **variables):
    """Terraform's console, on the files that need no provider."""
    with tempfile.TemporaryDirectory() as folder:
        inner = pathlib.Path(folder) / "terraform"
        inner.mkdir()
        for name in PURE:
            shutil.copy(MODULE / name, inner)
        (inner / "stub.tf").write_text(STUB)
        shutil.copytree(DEPLOY / "templates", pathlib.Path(folder) / "templates")
        (inner / "terraform.tfvars.json").write_text(json.dumps(GIVEN | variables))
        return subprocess.run(["terraform", "console"], cwd=inner, input=f"jsonencode({expression})\n", capture_output=True, text=True, check=False)


def console(expression, **variables):
    ended = asked(expression, **variables)
    assert ended.returncode == 0, ended.stderr
    return json.loads(json.loads(ended.stdout.strip().splitlines()[-1]))


def refused(**variables):
    return asked("1", **variables).stderr


if __name__ == "__main__":
    if shutil.which("terraform") is None:
        print("skipped: what terraform's own formatter and console say (it is not installed)")
    unittest.main(argv=sys.argv[:1])
