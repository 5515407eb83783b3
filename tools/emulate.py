"""Creates the stack of template.yaml in moto, a simulator of AWS: python3 tools/emulate.py [template.yaml]

SAM's translator turns the template into CloudFormation, and moto creates the resources, in this process and without a
network. This checks what linters cannot: that all references resolve, that an account and region has room for two stacks,
that both can be deleted, and that SAM adds no permission that is not in the template.

Placeholders replace the resource types that moto lacks, and the last line lists those. Tried with aws-sam-translator 1.110.0
and moto 5.2.1.
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

# The parameters of each deployment that this tries. All others have their defaults.
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
        "DatadogCredentialsArn": SECRET + "datadog/api-key-AbCdEf",
        "DatadogAppKeyArn": SECRET + "datadog/app-key-AbCdEf",
        "KmsKeyArns": f"arn:aws:kms:{REGION}:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
        "BindingSecret": "prod/okta/api",
        "BindingConfigId": "11111111-1111-1111-1111-111111111111",
        "BindingIntegrationType": "OKTA",
        "CloudTrailEvents": "on",
        "StagedRotation": "on",
        "WebhookAuth": "signature",
        "WebhookSecretArn": SECRET + "webhook-AbCdEf",
        "AlarmEmail": "oncall@example.com",
        "ReserveConcurrency": "on",
        "Architecture": "x86_64",
        "Tracing": "on",
        "FipsEndpoints": "on",
    },
}

# The resources that SAM adds to a function. None of them grants a permission.
ADDED_BY_SAM = {
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Lambda::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Version",
}

# The user's profile, endpoint and keys must not change the result.
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
    # It warns about metrics and feature switches that only AWS itself has.
    logging.getLogger("samtranslator").setLevel(logging.ERROR)
    with open(sys.argv[1] if len(sys.argv) > 1 else "template.yaml", encoding="utf-8") as file:
        template = yaml_parse(file.read())
    correct_moto()
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
        print(f"{name}: {count} resources created, created again as a second stack, and deleted")
    print("SKIPPED TIER: moto lacks these resource types, so placeholders replaced them:", *sorted(not_emulated))


def check_parameters(template, parameters):
    """Refuses what CloudFormation would refuse. moto accepts anything."""
    for name, value in parameters.items():
        parameter = template["Parameters"].get(name)
        if parameter is None:
            raise ValueError(f"the template has no parameter {name}")
        allowed = [str(one) for one in parameter.get("AllowedValues", [value])]
        if value not in allowed or not re.search(parameter.get("AllowedPattern", ""), value):
            raise ValueError(f"{name} does not accept {value!r}")


def to_cloudformation(template, parameters):
    template = copy.deepcopy(template)  # the translator changes its argument
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["CodeUri"] = "s3://code/bootstrap.zip"  # as `sam package` writes it
    return transform(template, dict(parameters), NoManagedPolicies())


class NoManagedPolicies:
    """The translator looks up AWS's managed policies here. The template uses none."""

    def load(self):
        return {}


def check_what_sam_added(template, stack):
    for name in stack["Resources"].keys() - template["Resources"].keys():
        if stack["Resources"][name]["Type"] not in ADDED_BY_SAM:
            raise ValueError(f"SAM added {name}, {stack['Resources'][name]}")


def correct_moto(clean_json=parsing.clean_json):
    """Corrects where moto differs from CloudFormation and the template needs it."""
    # The only attribute of a function's version is its number.
    LambdaVersion.get_cfn_attribute = lambda version, attribute: str(version.version)

    # AWS::NoValue removes an element from its list. moto replaces it with null.
    def cleaned(value, resources):
        result = clean_json(value, resources)
        return [element for element in result if element is not None] if isinstance(value, list) else result

    parsing.clean_json = cleaned


def adapt_to_moto(stack):
    """Registers placeholders for the types that moto lacks. Without them, it fails at references to these or drops them."""
    registry = parsing.get_model_map()
    for resource in stack["Resources"].values():
        if resource["Type"] not in registry:
            registry[resource["Type"]] = placeholder(resource["Type"])
        if resource["Type"] == "AWS::SSM::Parameter":
            resource["Properties"].pop("Tags", None)  # CloudFormation wants an object, moto a list
    return {type_ for type_, model in registry.items() if model.__name__ == "Placeholder"}


def placeholder(type_):
    class Placeholder:
        """A resource with an id and every attribute, which does nothing."""

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
                # Permissions and event sources look the alias up in moto.
                alias = boto3.client("lambda").create_alias(**properties)
                return cls(alias["AliasArn"])
            return cls(resource_name)

        def is_created(self):
            return True

        def delete(self, account_id, region_name):
            pass

    return Placeholder


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
    """Creates a stack, and returns the physical ids of its resources by their logical ids."""
    stack_id = cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(stack),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM"],
    )["StackId"]
    expect(cloudformation, stack_id, "CREATE_COMPLETE")
    # The list has the resources that a condition excludes, without a name. A permission and a version have no id in moto.
    created = {
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
    if wrong := wanted ^ created.keys():
        raise ValueError(f"these were created and should not be, or should be and were not: {wrong}")
    return created


def expect(cloudformation, stack_id, status):
    stack = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
    if stack["StackStatus"] != status:
        raise ValueError(f"the stack is {stack['StackStatus']}, not {status}")


main()
