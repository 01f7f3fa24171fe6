"""Compares the rights of deploy/pipeline/roles.yaml with what CloudFormation needs for each type of the synthesized templates.

    python main.py TEMPLATE…

CloudFormation's own schemas name the actions by which it makes, changes, reads and deletes a type; cfn-lint carries them.
"""

import fnmatch
import functools
import importlib.resources
import json
import pathlib
import sys
import unittest

import cfnlint.decode
import yaml

PIPELINE = pathlib.Path(__file__).resolve().parents[2] / "pipeline"
TEMPLATES = [pathlib.Path(path) for path in sys.argv[1:]]
# Of a type's actions, those for what no template asks for.
UNUSED = {
    "s3:*": "an API whose definition is a file in S3",
    "apigateway:*agResource": "IAM knows no such action: PUT on /tags is it",
    "lambda:*ProvisionedConcurrency*": "the scaling of functions",
    "application-autoscaling:PutScheduledAction": "scheduled scaling",
    "application-autoscaling:DeleteScheduledAction": "scheduled scaling",
    "ec2:*Vpn*": "VPN gateways",
    "ec2:*VerifiedAccess*": "verified access, which a web ACL may protect as well",
    "ec2:CreateVpcEncryptionControl": "encryption controls of a VPC",
    "ec2:*SubnetCidrBlock": "IPv6",
    "ec2:ModifyVpcTenancy": "dedicated hosts",
    "vpc-lattice:*": "service networks",
    "vpce:*": "endpoints in other regions",
    "ecs:PutAccountSetting*": "settings of the account",
    "iam:DeleteServiceLinkedRole": "the role of ECS stays when its stack goes",
    "iam:GetServiceLinkedRoleDeletionStatus": "the role of ECS stays when its stack goes",
    "iam:*PermissionsBoundary": "permissions boundaries",
    "iam:*UserPolicy": "policies of users: ours are of roles",
    "iam:*GroupPolicy": "policies of groups",
    "logs:PutDataProtectionPolicy": "data protection of logs",
    "logs:DeleteDataProtectionPolicy": "data protection of logs",
    "logs:*IndexPolicy": "indexes of logs",
    "logs:PutBearerTokenAuthentication": "logs by bearer tokens",
    "logs:PutLogGroupDeletionProtection": "protection of logs against deletion",
    "firehose:*": "logs that go to Firehose",
    "sns:PutDataProtectionPolicy": "data protection of topics",
    "wafv2:*PermissionPolicy": "web ACLs that are shared",
    **{f"{service}:*": "what else a web ACL may protect" for service in ("amplify", "apprunner", "appsync", "bedrock-agentcore", "cognito-idp", "elasticloadbalancing")},
}


@functools.cache
def handlers():
    """By type, what CloudFormation calls."""
    found = {}
    for file in (importlib.resources.files("cfnlint") / "data" / "schemas" / "resources").iterdir():
        if file.name.endswith(".json"):
            schema = json.loads(file.read_text())
            if "handlers" in schema:
                found.setdefault(schema["typeName"], schema["handlers"])
    return found


def types():
    """The types of the templates, each once, without the one that is nothing but a name."""
    used = {one["Type"] for path in TEMPLATES for one in json.loads(path.read_text())["Resources"].values()}
    return sorted(used - {"AWS::CloudFormation::WaitConditionHandle"})


@functools.cache
def roles():
    template, problems = cfnlint.decode.decode(str(PIPELINE / "roles.yaml"))
    assert not problems, problems
    return template["Resources"]


def actions(document):
    return [action for one in document["Statement"] for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])]


def granted():
    """The actions of CloudFormation's role."""
    policies = roles()["StacksRole"]["Properties"]["ManagedPolicyArns"]
    return [action for policy in policies for action in actions(roles()[policy["Ref"]]["Properties"]["PolicyDocument"])]


def needed(kind):
    """The actions for one type without what is not used."""
    of_handlers = {action for name in ("create", "update", "read", "delete") for action in handlers()[kind].get(name, {}).get("permissions", [])}
    return {action for action in of_handlers if not any(fnmatch.fnmatchcase(action.lower(), unused.lower()) for unused in UNUSED)}


class Rights(unittest.TestCase):
    def test_cloudformation_may_make_change_and_delete_each_type(self):
        self.assertGreater(len(types()), 30)
        missing = {kind: sorted(one for one in needed(kind) if not any(fnmatch.fnmatchcase(one, grant) for grant in granted())) for kind in types()}
        self.assertEqual({kind: lacks for kind, lacks in missing.items() if lacks}, {})

    def test_every_type_can_be_deleted(self):
        for kind in types():
            self.assertIn("delete", handlers()[kind], kind)

    def test_nothing_is_granted_that_no_type_needs(self):
        # The delivery of access logs, and the keys that other services try in the caller's name, are in no schema.
        beyond = {"kms:Decrypt", "kms:GenerateDataKey", "logs:DeleteLogDelivery", "logs:GetLogDelivery", "logs:ListLogDeliveries", "logs:UpdateLogDelivery"}
        all_needed = {one for kind in types() for one in needed(kind)}
        spare = [grant for grant in granted() if grant not in beyond and not fnmatch.filter(all_needed, grant)]
        self.assertEqual(spare, [])

    def test_no_grant_is_a_whole_service_and_none_but_descriptions_ends_in_a_star(self):
        self.assertEqual([grant for grant in granted() if "*" in grant], ["ec2:Describe*"])

    def test_github_may_change_nothing_but_by_cloudformation(self):
        [policy] = roles()["DeployRole"]["Properties"]["Policies"]
        services = {action.split(":")[0] for action in actions(policy["PolicyDocument"])}
        self.assertEqual(services, {"ecr", "cloudformation", "iam", "apigateway", "execute-api"})
        writes = [action for action in actions(policy["PolicyDocument"]) if action.split(":")[0] in ("iam", "apigateway")]
        self.assertEqual(writes, ["iam:PassRole", "apigateway:GET"])

    def test_only_a_job_of_the_repository_in_the_stages_environment_gets_the_role(self):
        [statement] = roles()["DeployRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        equal = statement["Condition"]["StringEquals"]
        self.assertEqual(equal["token.actions.githubusercontent.com:aud"], "sts.amazonaws.com")
        self.assertEqual(equal["token.actions.githubusercontent.com:sub"], {"Fn::Sub": "repo:${Repository}:environment:${Stage}"})

    def test_a_managed_policy_fits_into_its_6144_characters(self):
        for name in ("MessagingPolicy", "ServicePolicy"):
            text = json.dumps(roles()[name]["Properties"]["PolicyDocument"], separators=(",", ":"))
            self.assertLess(len(text), 6144, name)


class Workflow(unittest.TestCase):
    def workflow(self, name):
        return yaml.safe_load((PIPELINE / name).read_text())

    def test_prod_comes_after_dev_and_both_wait_for_their_environment(self):
        jobs = self.workflow("deploy.yml")["jobs"]
        self.assertEqual((jobs["dev"]["needs"], jobs["prod"]["needs"]), ("images", "dev"))
        self.assertEqual({jobs[stage]["uses"] for stage in ("dev", "prod")}, {"./.github/workflows/stage.yml"})
        self.assertEqual(self.workflow("stage.yml")["jobs"]["deploy"]["environment"], "${{ inputs.stage }}")

    def test_only_the_stages_may_ask_for_a_token(self):
        deploy = self.workflow("deploy.yml")
        self.assertEqual(deploy["permissions"], {"contents": "read"})
        self.assertEqual([name for name, job in deploy["jobs"].items() if "id-token" in job.get("permissions", {})], ["dev", "prod"])

    def test_no_step_writes_an_expression_into_a_shell(self):
        for name in ("deploy.yml", "stage.yml"):
            for job in self.workflow(name)["jobs"].values():
                for step in job.get("steps", []):
                    self.assertNotIn("${{", step.get("run", ""))

    def test_every_variable_of_the_stage_is_in_the_page(self):
        page = (PIPELINE / "README.md").read_text()
        text = (PIPELINE / "stage.yml").read_text()
        for name in sorted({word.split()[0] for word in text.split("vars.")[1:]}):
            self.assertIn(f"`{name}`", page)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
