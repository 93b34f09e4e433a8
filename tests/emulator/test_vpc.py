"""Functions with a VpcConfig reach what their security groups and routes permit, and nothing else.

Most of it holds in a network namespace and by the hook: `attached` is a function of either kind.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from botocore.exceptions import ClientError

from labkit import Lab, confinement, doctor
from labkit.emulator.vpc import VARIABLE, Vpc
from labkit.model import VpcConfig
from labkit.settings import Settings
from tests.emulator.test_iam_enforced import package
from tests.emulator.test_life import EXTENSION, FOLLOW, zipped

pytestmark = pytest.mark.process

ROLE = "arn:aws:iam::123456789012:role/labkit"
CODE = """
import os, socket, subprocess, sys, threading
import boto3
from botocore.config import Config

def tcp(host, port):
    with socket.create_connection((host, port), timeout=5) as connection:
        return connection.recv(5).decode()

def udp(host, port):
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", (host, port))
    return "sent"

def own(host, port):
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=lambda: server.accept()[0].sendall(b"mine!"), daemon=True).start()
    return tcp("127.0.0.1", server.getsockname()[1])

def program(host, port):
    code = f"import socket; print(socket.create_connection(('{host}', {port}), 5).recv(5).decode())"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

def namespace(host, port):
    return os.readlink("/proc/self/ns/net")

def buckets(host, port):
    config = Config(retries={"total_max_attempts": 1})
    s3 = boto3.client("s3", endpoint_url=f"http://{host}:{port}", config=config)
    return str(len(s3.list_buckets()["Buckets"]) >= 0)

def handler(event, context):
    try:
        return globals()[event["by"]](event["host"], event["port"])
    except Exception as error:
        return f"{type(error).__name__}: {error}"
"""


@pytest.fixture(scope="module")
def server():
    """The port of a TCP server of this machine that greets whoever connects."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def greet():
            while True:
                try:
                    listener.accept()[0].sendall(b"hello")
                except OSError:
                    return

        threading.Thread(target=greet, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


class Attached:
    """A VPC with one private subnet, and a function that is attached to it by a group without rules."""

    def __init__(self, lab) -> None:
        self.lab, self.ec2 = lab, lab.boto3("ec2")
        self.vpc = self.ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
        self.subnet = self.ec2.create_subnet(VpcId=self.vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
        made = self.ec2.create_security_group(GroupName="out", Description="d", VpcId=self.vpc)
        self.group = made["GroupId"]
        every = [{"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}]
        self.ec2.revoke_security_group_egress(GroupId=self.group, IpPermissions=every)
        self.config = {"SubnetIds": [self.subnet], "SecurityGroupIds": [self.group]}

    def permit(self, *, protocol="tcp", port=0, cidr="10.7.0.0/16"):
        permission = {"IpProtocol": protocol, "IpRanges": [{"CidrIp": cidr}]}
        if protocol != "-1":
            permission |= {"FromPort": port, "ToPort": port}
        self.ec2.authorize_security_group_egress(GroupId=self.group, IpPermissions=[permission])

    def tries(self, by, host, port):
        return self.lab.invoke("inside", {"by": by, "host": host, "port": port}).payload


@pytest.fixture(scope="module")
def hooked_lab():
    with Lab(settings=Settings(network_rules="hook")) as lab:
        yield lab


OBSTACLE = confinement.obstacle()
BY_NAMESPACE = pytest.param(
    "namespace",
    marks=pytest.mark.skipif(bool(OBSTACLE), reason=f"this machine has no network namespaces for us: {OBSTACLE}"),
)


@pytest.fixture(params=[BY_NAMESPACE, "hook"])
def attached(request):
    lab = request.getfixturevalue("lab" if request.param == "namespace" else "hooked_lab")
    with made(lab) as found:
        yield found


@pytest.fixture
def confined(lab):
    if OBSTACLE:
        pytest.skip(f"this machine has no network namespaces for us: {OBSTACLE}")
    with made(lab) as found:
        yield found


@pytest.fixture
def hooked(hooked_lab):
    with made(hooked_lab) as found:
        yield found


@contextmanager
def made(lab, **config):
    found = Attached(lab)
    client = lab.boto3("lambda")
    fixed = {"Runtime": "python3.13", "Handler": "app.handler", "Role": ROLE, "Timeout": 30} | config
    code = {"ZipFile": package(CODE)}
    function = client.create_function(FunctionName="inside", Code=code, VpcConfig=found.config, **fixed)
    client.get_waiter("function_active_v2").wait(FunctionName="inside")
    assert function["VpcConfig"]["VpcId"] == found.vpc
    yield found
    client.delete_function(FunctionName="inside")


def test_what_no_rule_permits_times_out_at_once_and_the_log_says_why(attached, server):
    assert attached.tries("tcp", "127.0.0.1", server) == "TimeoutError: [Errno 110] Connection timed out"
    said = attached.lab.function("inside").logs()
    assert f"labkit: tcp to 127.0.0.1:{server} was not let out: no egress rule of {attached.group} permits" in str(said)
    assert attached.tries("udp", "127.0.0.1", server).startswith("TimeoutError")
    assert attached.tries("buckets", "127.0.0.1", int(attached.lab.endpoint.rpartition(":")[2])).startswith("Conn")


def test_a_rule_opens_its_port_and_no_other(attached, server):
    attached.permit(port=server)
    assert attached.tries("tcp", "127.0.0.1", server) == "hello"
    assert attached.tries("tcp", "localhost", server) == "hello"
    assert attached.tries("tcp", "127.0.0.1", server + 1).startswith("TimeoutError")
    attached.ec2.revoke_security_group_egress(
        GroupId=attached.group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": server, "ToPort": server, "IpRanges": [{"CidrIp": "10.7.0.0/16"}]}
        ],
    )
    assert attached.tries("tcp", "127.0.0.1", server).startswith("TimeoutError")


def test_a_rule_that_opens_a_port_later_counts_at_once_and_by_the_hook_from_the_next_invocation_on(attached, server):
    assert attached.tries("tcp", "127.0.0.1", server).startswith("TimeoutError")
    attached.permit(port=server)
    attempts = [attached.tries("tcp", "127.0.0.1", server) for _ in range(2)]
    by_hook = attached.tries("namespace", "", 0) == os.readlink("/proc/self/ns/net")
    assert attempts[1 if by_hook else 0] == "hello"


def test_awss_services_are_reached_by_a_nat_gateway_or_an_endpoint(attached):
    host, port = "127.0.0.1", int(attached.lab.endpoint.rpartition(":")[2])
    attached.permit(protocol="-1", cidr="0.0.0.0/0")
    assert attached.tries("buckets", host, port).startswith("Conn")
    assert f"{attached.subnet}: no route to AWS's services" in str(attached.lab.function("inside").logs())
    attached.ec2.create_vpc_endpoint(VpcId=attached.vpc, ServiceName="com.amazonaws.us-east-1.s3")
    assert attached.tries("buckets", host, port) == "True"


def test_a_nat_gateway_leads_out(attached):
    ec2, host, port = attached.ec2, "127.0.0.1", int(attached.lab.endpoint.rpartition(":")[2])
    attached.permit(port=443, cidr="0.0.0.0/0")
    table = ec2.create_route_table(VpcId=attached.vpc)["RouteTable"]["RouteTableId"]
    ec2.associate_route_table(RouteTableId=table, SubnetId=attached.subnet)
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=attached.vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert attached.tries("buckets", host, port).startswith("Conn")
    nat = ec2.create_nat_gateway(SubnetId=attached.subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    ec2.replace_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    assert attached.tries("buckets", host, port) == "True"


def test_a_handlers_own_server_is_inside(attached):
    attached.permit(protocol="-1", cidr="10.7.0.0/16")
    assert attached.tries("own", "", 0) == "mine!"


@pytest.mark.skipif(not doctor.kernel_rules_network(), reason="this kernel has no Landlock with network rules")
def test_by_the_hook_a_program_that_the_handler_starts_reaches_the_ports_that_a_rule_permits(hooked, server):
    assert "PermissionError" in hooked.tries("program", "127.0.0.1", server)
    hooked.permit(port=server)
    hooked.lab.boto3("lambda").update_function_configuration(FunctionName="inside", Description="fresh")
    hooked.lab.boto3("lambda").get_waiter("function_updated_v2").wait(FunctionName="inside")
    assert hooked.tries("program", "127.0.0.1", server) == "hello"


def test_in_a_namespace_a_program_that_the_handler_starts_is_held_to_the_rules_as_they_are(confined, server):
    assert confined.tries("namespace", "", 0) != os.readlink("/proc/self/ns/net")
    assert confined.tries("program", "127.0.0.1", server).startswith("TimeoutError")
    assert f"labkit: tcp to 127.0.0.1:{server} was not let out" in str(confined.lab.function("inside").logs())
    confined.permit(port=server)
    assert confined.tries("program", "127.0.0.1", server) == "hello"


def test_the_hook_leaves_the_environment_in_the_network_of_all(hooked):
    assert hooked.tries("namespace", "", 0) == os.readlink("/proc/self/ns/net")


def test_a_function_with_extensions_which_are_processes_outside_is_held_by_the_hook(lab, server):
    content = zipped(**{"extensions/watcher": EXTENSION + FOLLOW})
    layer = lab.boto3("lambda").publish_layer_version(LayerName="watching", Content={"ZipFile": content})
    with made(lab, Layers=[layer["LayerVersionArn"]]) as found:
        assert found.tries("namespace", "", 0) == os.readlink("/proc/self/ns/net")
        assert found.tries("tcp", "127.0.0.1", server).startswith("TimeoutError")


def test_environments_of_a_snapshot_are_in_its_namespace(confined, server):
    client = confined.lab.boto3("lambda")
    client.update_function_configuration(FunctionName="inside", SnapStart={"ApplyOn": "PublishedVersions"})
    client.get_waiter("function_updated_v2").wait(FunctionName="inside")
    version = client.publish_version(FunctionName="inside")["Version"]
    client.get_waiter("published_version_active").wait(FunctionName="inside", Qualifier=version)

    def tries(by):
        event = {"by": by, "host": "127.0.0.1", "port": server}
        return confined.lab.function("inside").invoke(event, qualifier=version)

    assert tries("namespace").payload != os.readlink("/proc/self/ns/net")
    assert tries("tcp").payload.startswith("TimeoutError")
    confined.permit(port=server)
    assert tries("program").payload == "hello"


def test_a_function_without_a_vpc_is_not_restricted(lab, server):
    lab.deploy("free", CODE, handler="handler", timeout_s=30)
    assert lab.invoke("free", {"by": "tcp", "host": "127.0.0.1", "port": server}).payload == "hello"


async def without_rules(page, **params):
    """Stands for moto's process."""
    return {"unknown": "", "cidrs": [], "rules": [], "routes": {}, "endpoints": []}


@pytest.mark.parametrize(
    ("host", "port", "reached"),
    [("192.0.2.53", 53, True), ("192.0.2.53", 5353, False), ("192.0.2.54", 53, False), ("127.0.0.1", 9001, True)],
)
def test_names_are_looked_up_and_what_is_lambdas_own_is_reached_without_a_rule(tmp_path, host, port, reached):
    resolvers = tmp_path / "resolv.conf"
    resolvers.write_text("search here\nnameserver 192.0.2.53\noptions ndots:1\n")
    config = SimpleNamespace(vpc=VpcConfig(("subnet-1",), ("sg-1",)))
    told = {"endpoint": "http://127.0.0.1:4566", "region": "us-east-1", "namespaces": True, "resolvers": resolvers}

    async def asked():
        vpc = Vpc(tmp_path, without_rules, lambda version: None, lambda: {9001}, **told)
        variables = vpc.variables(SimpleNamespace(key="f:1", config=config), extensions=False)
        path, key, _ = variables[VARIABLE].split("\n")
        await vpc._serving
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(f"{key} udp {host} {port}\n".encode())
        said = await reader.readline()
        writer.close()
        await vpc.stop()
        return said.decode()

    assert (asyncio.run(asked()) == "\n") is reached


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"SubnetIds": ["subnet-0000000000000dead"]},
            "Error occurred while DescribeSubnets. EC2 Error Code: InvalidSubnetID.NotFound. EC2 Error Message: The subnet "
            "ID 'subnet-0000000000000dead' does not exist",
        ),
        (
            {"SecurityGroupIds": ["sg-0000000000000dead"]},
            "Error occurred while DescribeSecurityGroups. EC2 Error Code: InvalidGroup.NotFound. EC2 Error Message: The "
            "security group 'sg-0000000000000dead' does not exist",
        ),
        ({"SecurityGroupIds": []}, "SubnetIds and SecurityIds must coexist or be both empty list."),
    ],
)
def test_a_network_that_does_not_exist_is_refused(attached, changes, said):
    client = attached.lab.boto3("lambda")
    with pytest.raises(ClientError) as caught:
        client.update_function_configuration(FunctionName="inside", VpcConfig=attached.config | changes)
    assert caught.value.response["Error"] == {"Code": "InvalidParameterValueException", "Message": said}


def test_a_group_of_another_vpc_is_refused(attached):
    client = attached.lab.boto3("lambda")
    other = Attached(attached.lab)
    with pytest.raises(ClientError, match="required to be in the same VPC"):
        client.update_function_configuration(
            FunctionName="inside", VpcConfig=attached.config | {"SecurityGroupIds": [other.group]}
        )
