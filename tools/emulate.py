"""Creates the stack of template.yaml in an emulator of AWS: python3 tools/emulate.py [template.yaml]

SAM's own translator makes CloudFormation of it, moto makes resources of that, all in this process and without a network.
It shows what linters do not: that the parts find each other, that two stacks fit into one account and region, that
nothing is in the way of deleting them, and that SAM grants nobody anything that is not written in the template.

Types that moto lacks are stood in for, and listed. Tried with aws-sam-translator 1.110.0 and moto 5.2.1.
"""

import copy
import io
import json
import logging
import os
import re
import sys
import zipfile

REGION = "us-east-1"
SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:"

# What somebody types when deploying. Whatever is not here has its default.
CHOICES = {
    "the least": {
        "SourceSecretPrefix": "prod/okta/",
        "DatadogCredentialsArn": SECRET + "datadog/keys-AbCdEf",
    },
    "no keys, no extras": {
        "SourceSecretArns": SECRET + "prod/okta/api-AbCdEf",
        "DatadogOrgUuid": "01234567-89ab-cdef-0123-456789abcdef",
        "ReconcileSchedule": "off",
        "WebhookAuth": "off",
    },
    "everything": {
        "SourceSecretPrefix": "prod/okta/",
        "SourceSecretArns": SECRET + "prod/entra-AbCdEf",
        "SourceParameterPrefix": "/prod/okta/",
        "SourceParameterArns": f"arn:aws:ssm:{REGION}:123456789012:parameter/prod/one",
        "SourceTag": "relay=yes",
        "DatadogCredentialsArn": SECRET + "datadog/api-key-AbCdEf," + SECRET + "datadog/app-key-AbCdEf",
        "KmsKeyArns": f"arn:aws:kms:{REGION}:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
        "BindingSecret": "prod/okta/api",
        "BindingConfigId": "11111111-1111-1111-1111-111111111111",
        "BindingIntegrationType": "OKTA",
        "CloudTrailEvents": "on",
        "StagedRotation": "on",
        "WebhookAuth": "signature",
        "WebhookSecretArn": SECRET + "webhook-AbCdEf",
        "WebhookMayDisable": "on",
        "AlarmEmail": "oncall@example.com",
        "RunbookUrl": "https://wiki.example.com/runbook",
        "Dashboard": "on",
        "ReserveConcurrency": "on",
        "Architecture": "x86_64",
        "Tracing": "on",
        "FipsEndpoints": "on",
    },
}

# What SAM makes of a function besides the function. None of it grants anything.
ADDED_BY_SAM = {"AWS::Lambda::EventInvokeConfig"}

# Nobody's profile, endpoint or key has a part in this.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

import boto3
from moto import mock_aws
from moto.awslambda.models import LambdaVersion
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends
from moto.core import DEFAULT_ACCOUNT_ID
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


def main():
    # It warns of the metrics that it keeps for AWS and of the switches that only AWS has.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    with open(sys.argv[1] if len(sys.argv) > 1 else "template.yaml", encoding="utf-8") as file:
        template = yaml_parse(file.read())
    mend_moto()
    not_emulated = set()
    for name, parameters in CHOICES.items():
        try:
            check_parameters(template, parameters)
            stack = to_cloudformation(template, parameters)
            check_what_sam_added(template, stack)
            not_emulated |= adapt_to_moto(stack)
            count = create_twice_and_delete(stack, parameters)
        except Exception:
            print(f"tools/emulate.py, with the parameters of {name!r}:", file=sys.stderr)
            raise
        print(f"{name}: {count} resources created, created once more beside those, and deleted")
    print("SKIPPED TIER: moto has none of these, so they were only stood in for. Not emulated:", *sorted(not_emulated))


def check_parameters(template, parameters):
    """CloudFormation would refuse these, moto takes anything."""
    for name, value in parameters.items():
        parameter = template["Parameters"].get(name)
        if parameter is None:
            raise ValueError(f"the template has no parameter {name}")
        allowed = [str(one) for one in parameter.get("AllowedValues", [value])]
        if value not in allowed or not re.search(parameter.get("AllowedPattern", ""), value):
            raise ValueError(f"{name} does not accept {value!r}")


def to_cloudformation(template, parameters):
    template = copy.deepcopy(template)  # the translator changes what it is given
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://code/bootstrap.zip"  # as `sam package` does
    return transform(template, dict(parameters), NoManagedPolicies())


class NoManagedPolicies:
    """AWS's own policies by name, of which the template uses none."""

    def load(self):
        return {}


def check_what_sam_added(template, stack):
    for name in stack["Resources"].keys() - template["Resources"].keys():
        if stack["Resources"][name]["Type"] not in ADDED_BY_SAM:
            raise ValueError(f"SAM added {name}, {stack['Resources'][name]}")


def mend_moto(clean_json=parsing.clean_json):
    """What it does otherwise than CloudFormation, as far as it matters here."""
    # A function's version has one attribute, its number.
    LambdaVersion.get_cfn_attribute = lambda version, attribute: str(version.version)

    # AWS::NoValue takes an element out of its list. moto makes null of it.
    def cleaned(value, resources):
        result = clean_json(value, resources)
        return [element for element in result if element is not None] if isinstance(value, list) else result

    parsing.clean_json = cleaned


def adapt_to_moto(stack):
    """moto leaves out types that it lacks, and then fails at, or silently drops, all that refers to them."""
    registry = parsing.get_model_map()
    for resource in stack["Resources"].values():
        if resource["Type"] not in registry:
            registry[resource["Type"]] = stand_in(resource["Type"])
        if resource["Type"] == "AWS::SSM::Parameter":
            resource["Properties"].pop("Tags", None)  # an object in CloudFormation, a list in moto
    return {type_ for type_, model in registry.items() if model.__name__ == "StandIn"}


def stand_in(type_):
    class StandIn:
        """It has an id and every attribute, and does nothing."""

        def __init__(self, id_):
            self.physical_resource_id = id_

        @classmethod
        def has_cfn_attr(cls, attribute):
            return True

        def get_cfn_attribute(self, attribute):
            return f"{self.physical_resource_id}.{attribute}"

        @classmethod
        def create_from_cloudformation_json(cls, resource_name, cloudformation_json, account_id, region_name, **kwargs):
            properties = cloudformation_json["Properties"]
            if type_ == "AWS::Lambda::Alias":
                # Permissions and event sources look it up.
                alias = boto3.client("lambda").create_alias(**properties)
                return cls(alias["AliasArn"])
            return cls(resource_name)

        def is_created(self):
            return True

        def delete(self, account_id, region_name):
            pass

    return StandIn


@mock_aws
def create_twice_and_delete(stack, parameters):
    upload_code()
    cloudformation = boto3.client("cloudformation")
    first, second = (create(cloudformation, name, stack, parameters) for name in ("first", "second"))
    if shared := set(first.values()) & set(second.values()) - {None}:
        raise ValueError(f"two stacks both have {shared}")
    for name in ("first", "second"):
        stack_id = cloudformation.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
        cloudformation.delete_stack(StackName=name)
        expect(cloudformation, stack_id, "DELETE_COMPLETE")
    return len(first)


def upload_code():
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("bootstrap", "")
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="code")
    s3.put_object(Bucket="code", Key="bootstrap.zip", Body=code.getvalue())


def create(cloudformation, name, stack, parameters):
    """The physical ids of the new stack's resources, by their logical ids."""
    stack_id = cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(stack),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )["StackId"]
    expect(cloudformation, stack_id, "CREATE_COMPLETE")
    # Those that a condition rules out are listed too, without a name. moto gives no id to a permission or a version.
    made = {
        resource["LogicalResourceId"]: resource.get("PhysicalResourceId")
        for resource in cloudformation.describe_stack_resources(StackName=name)["StackResources"]
        if "LogicalResourceId" in resource
    }
    conditions = cloudformation_backends[DEFAULT_ACCOUNT_ID][REGION].stacks[stack_id].resource_map.lazy_condition_map
    wanted = {
        logical_id
        for logical_id, resource in stack["Resources"].items()
        if "Condition" not in resource or conditions[resource["Condition"]]
    }
    if wrong := wanted ^ made.keys():
        raise ValueError(f"made and not wanted, or wanted and not made: {wrong}")
    return made


def expect(cloudformation, stack_id, status):
    stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
    if stack["StackStatus"] != status:
        raise ValueError(f"the stack is {stack['StackStatus']}, not {status}")


main()
