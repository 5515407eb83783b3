"""Creates the stack of template.yaml in an emulator of AWS, and runs the commands of docs/RUNBOOK.md against it.

    python3 tools/emulate.py [template.yaml]

SAM's own translator turns the template into CloudFormation, and moto creates its resources, without a network. This shows
what linters do not: that the parts refer to each other correctly, that two stacks fit into one account and region, that
they can be deleted, and that SAM grants nothing that is not written in the template.

Types and calls that moto lacks are listed. Tested with aws-sam-translator 1.110.0, moto 5.2.1 and the AWS CLI 1.45.11.
"""

import copy
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile

REGION = "us-east-1"
SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:"

# Parameters of three deployments. The others keep their defaults.
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

# What SAM adds to a function. It grants nothing.
ADDED_BY_SAM = {"AWS::Lambda::EventInvokeConfig"}

# Calls of the runbook that moto answers with an error.
NOT_IN_MOTO = ("start-message-move-task", "lookup-events", "continue-update-rollback")

# No profile, endpoint or key of this machine takes part.
for name in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[name]
os.environ |= {
    "AWS_DEFAULT_REGION": REGION,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
}

import boto3
from moto import mock_aws
from moto.awslambda.models import LambdaFunction
from moto.cloudformation import parsing
from moto.cloudformation.models import cloudformation_backends
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import ThreadedMotoServer
from samtranslator.translator.transform import transform
from samtranslator.yaml_helper import yaml_parse


def main():
    # It warns about metrics and switches that only AWS has.
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
        print(f"{name}: {count} resources created, created a second time beside the first, and deleted")
    print("SKIPPED TIER: moto lacks these types, so they were only stood in for:", *sorted(not_emulated))
    if shutil.which("aws"):
        run_runbook(stack, parameters)
    else:
        print("SKIPPED TIER: the AWS CLI is not on the PATH, so the commands of docs/RUNBOOK.md were not run")


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
    """Corrects where moto differs from CloudFormation, as far as it matters here."""

    # AWS::NoValue takes an element out of its list. moto makes it null.
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
    # Resources that a condition rules out are listed too, without a name.
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


def run_runbook(stack, parameters):
    """Runs every command of docs/RUNBOOK.md with the AWS CLI, against a stack in a moto server."""
    # Without Docker, moto runs no code. This answer shows that the event arrived whole.
    LambdaFunction._invoke_lambda = lambda function, event: (json.dumps({"asked": event}), False, "")
    logging.disable()  # the server's lines, one for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {"AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    os.environ["AWS_MAX_ATTEMPTS"] = "1"
    try:
        upload_code()
        create(boto3.client("cloudformation"), "credential-relay", stack, parameters)
        preamble, commands = runbook_commands()
        for command in commands:
            run_command(preamble, command, world())
    finally:
        server.stop()
    print(f"runbook: {len(commands)} commands and blocks run")
    print("SKIPPED TIER: moto lacks these calls of the runbook:", *NOT_IN_MOTO)


def runbook_commands():
    """The block to paste first, and all other blocks and commands of the runbook."""
    with open("docs/RUNBOOK.md", encoding="utf-8") as file:
        text = file.read()
    preamble, *blocks = re.findall(r"^```\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    inline = re.findall(r"`((?:ask|errors|out|aws) [^`]+)`", text)
    if len(blocks) < 5 or len(inline) < 20:
        raise ValueError(f"found only {len(blocks)} blocks and {len(inline)} commands in the runbook")
    return preamble, blocks + sorted(set(inline))


def world():
    """Sets up what a command is about, and returns what stands for the placeholders in it."""
    secrets, ssm, sqs, awslambda = (boto3.client(name) for name in ("secretsmanager", "ssm", "sqs", "lambda"))
    for secret in secrets.list_secrets()["SecretList"]:
        secrets.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)
    old = secrets.create_secret(Name="prod/okta/api", SecretString="old")["VersionId"]
    new = secrets.put_secret_value(SecretId="prod/okta/api", SecretString="new")["VersionId"]
    staged = secrets.put_secret_value(SecretId="prod/okta/api", SecretString="staged", VersionStages=["AWSPENDING"])["VersionId"]
    ssm.put_parameter(Name="/credential-relay/secrets/prod/okta/api/1111", Value="{}", Type="String", Overwrite=True)
    out = {
        output["OutputKey"]: output["OutputValue"]
        for output in boto3.client("cloudformation").describe_stacks(StackName="credential-relay")["Stacks"][0]["Outputs"]
    }
    url = out["DeadLetterQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    handle = sqs.receive_message(QueueUrl=url, VisibilityTimeout=0)["Messages"][0]["ReceiptHandle"]
    mapping = awslambda.list_event_source_mappings(FunctionName=out["Function"])["EventSourceMappings"][0]["UUID"]
    return {
        "VERSION-ID": "01234567-89ab-cdef-0123-456789abcdef", "CONFIG-ID": "1111", "NAME": "prod/okta/api", "UUID": mapping,
        "OLD": old, "NEW": new, "ID": staged, "HANDLE": handle,
    }  # fmt: skip


def run_command(preamble, command, placeholders):
    """Runs one command as a person would paste it."""
    for name, value in placeholders.items():
        command = re.sub(rf"(?<![\w-]){name}(?![\w-])", value, command)
    with tempfile.TemporaryDirectory() as directory:
        with open(os.path.join(directory, "new.json"), "w", encoding="utf-8") as file:
            file.write('{"api_token": "new"}')
        # Version 1 of the CLI needs the option for SQS, where it ignores the variable.
        endpoint = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }'
        script = f"set -euo pipefail\n{endpoint}\n{preamble}\n{command}\n"
        done = subprocess.run(["bash", "-c", script], cwd=directory, capture_output=True, text=True, timeout=120)
    expected = any(call in command for call in NOT_IN_MOTO)
    if (done.returncode != 0) != expected:
        raise ValueError(f"the runbook's command ends with {done.returncode}: {command}\n{done.stdout}\n{done.stderr}")


main()
