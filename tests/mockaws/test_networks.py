"""What the emulator is told of a function's network: pins what is read inside the installed moto."""

from __future__ import annotations

import boto3
import pytest
from moto import mock_aws

from labkit.mockaws.networks import network

REGION = "us-east-1"


@pytest.fixture
def ec2(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with mock_aws():
        yield boto3.client("ec2", region_name=REGION)


@pytest.fixture
def place(ec2):
    vpc = ec2.create_vpc(CidrBlock="10.7.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.7.1.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="g", Description="d", VpcId=vpc)["GroupId"]
    return vpc, subnet, group


def test_rules_addresses_and_endpoints_are_told(ec2, place):
    vpc, subnet, group = place
    permissions = [
        {"IpProtocol": "tcp", "FromPort": 80, "ToPort": 81, "IpRanges": [{"CidrIp": "10.0.0.0/8"}]},
        {"IpProtocol": "udp", "FromPort": 53, "ToPort": 53, "Ipv6Ranges": [{"CidrIpv6": "fd00::/8"}]},
        {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432, "UserIdGroupPairs": [{"GroupId": group}]},
    ]
    ec2.authorize_security_group_egress(GroupId=group, IpPermissions=permissions)
    ec2.associate_vpc_cidr_block(VpcId=vpc, CidrBlock="10.8.0.0/16")
    ec2.create_vpc_endpoint(VpcId=vpc, ServiceName="com.amazonaws.us-east-1.s3")
    found = network(subnets=subnet, groups=group, region=REGION)
    assert (found["unknown"], found["vpc_id"], found["vpcs"]) == ("", vpc, [vpc])
    assert found["cidrs"] == ["10.7.0.0/16", "10.8.0.0/16"]
    assert found["endpoints"] == ["com.amazonaws.us-east-1.s3"]
    rules = [(rule["protocol"], rule["from"], rule["to"], rule["cidr"]) for rule in found["rules"]]
    assert rules == [
        ("-1", None, None, "0.0.0.0/0"),
        ("tcp", 80, 81, "10.0.0.0/8"),
        ("udp", 53, 53, "fd00::/8"),
        ("tcp", 5432, 5432, ""),
    ]


def test_only_routes_that_a_function_can_use_are_told(ec2, place):
    vpc, subnet, group = place
    table = ec2.describe_route_tables(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["RouteTables"][0]["RouteTableId"]
    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", GatewayId=gateway)
    assert network(subnets=subnet, groups=group, region=REGION)["routes"] == {subnet: []}
    own = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    nat = ec2.create_nat_gateway(SubnetId=subnet, ConnectivityType="private")["NatGateway"]["NatGatewayId"]
    ec2.create_route(RouteTableId=own, DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)
    ec2.associate_route_table(RouteTableId=own, SubnetId=subnet)
    assert network(subnets=subnet, groups=group, region=REGION)["routes"] == {subnet: ["0.0.0.0/0"]}


def test_what_does_not_exist_is_named(ec2, place):
    _, subnet, group = place
    assert network(subnets=f"{subnet},subnet-dead", groups=group, region=REGION) == {"unknown": "subnet-dead"}
    assert network(subnets=subnet, groups="sg-dead", region=REGION) == {"unknown": "sg-dead"}


def test_groups_of_several_vpcs_are_told(ec2, place):
    vpc, subnet, group = place
    other = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    foreign = ec2.create_security_group(GroupName="o", Description="d", VpcId=other)["GroupId"]
    assert network(subnets=subnet, groups=f"{group},{foreign}", region=REGION)["vpcs"] == sorted([vpc, other])
