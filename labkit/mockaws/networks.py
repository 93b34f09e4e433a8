"""What moto's EC2 knows of the network that a function is attached to, for the emulator's own question.

One page instead of four calls of EC2's API, because it is asked whenever a handler connects. A contract test pins what
it finds inside moto.
"""

from __future__ import annotations

from typing import Any

from moto.core import DEFAULT_ACCOUNT_ID

Page = dict[str, Any]


def network(subnets: str, groups: str, region: str) -> Page:
    """The VPC's addresses, the groups' egress rules, and where each subnet's route table leads; `unknown` names what
    does not exist.
    """
    from moto.ec2.models import ec2_backends

    ec2 = ec2_backends[DEFAULT_ACCOUNT_ID][region]
    wanted, named = subnets.split(","), groups.split(",")
    by_id = {s.id: s for zone in ec2.subnets.values() for s in zone.values()}
    known_groups = {name: ec2.get_security_group_from_id(name) for name in named}
    unknown = [name for name in wanted if name not in by_id] + [n for n, group in known_groups.items() if group is None]
    if unknown:
        return {"unknown": unknown[0]}
    vpcs = {by_id[name].vpc_id for name in wanted} | {group.vpc_id for group in known_groups.values() if group}
    vpc = ec2.get_vpc(by_id[wanted[0]].vpc_id)
    return {
        "unknown": "",
        "vpc_id": vpc.id,
        "vpcs": sorted(vpcs),
        "cidrs": [block["cidr_block"] for block in vpc.cidr_block_association_set],
        "rules": [_rule(rule) for group in known_groups.values() if group for rule in group.egress_rules],
        "routes": {name: _destinations(ec2, vpc.id, name) for name in wanted},
        "endpoints": [e.service_name for e in ec2.vpc_end_points.values() if e.vpc_id == vpc.id],
    }


def _rule(rule: Any) -> Page:
    given = rule.ip_range or {}
    cidr = given.get("CidrIp") or given.get("CidrIpv6") or ""
    ports = (rule.from_port, rule.to_port)
    return {"protocol": str(rule.ip_protocol), "from": ports[0], "to": ports[1], "cidr": cidr}


def _destinations(ec2: Any, vpc_id: str, subnet_id: str) -> list[str]:
    """Where a subnet's routes lead beyond the VPC; an internet gateway is of no use to a function, which has no public
    address (developer guide, "Enable internet access for VPC-connected Lambda functions").
    """
    tables = [table for table in ec2.route_tables.values() if table.vpc_id == vpc_id]
    own = [table for table in tables if any(a.get("SubnetId") == subnet_id for a in table.associations)]
    main = [table for table in tables if table.main_association_id]
    return [
        route.destination_cidr_block or route.destination_ipv6_cidr_block or ""
        for table in (own or main)[:1]
        for route in table.routes
        if not route.local and not str(route.gateway_id or "").startswith("igw-")
    ]
