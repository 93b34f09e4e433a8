"""PURE: whether a function that is attached to a VPC reaches an address: security groups first, then routes.

As in the developer guide ("Giving Lambda functions access to resources in an Amazon VPC"): a function in a VPC has a
network interface there and nothing else. Its security groups' egress rules say what may leave; beyond the VPC leads a
NAT gateway, or another target of its subnets' route tables, but no internet gateway, as the interface has no public
address. AWS's services are reached that way too, or by a VPC endpoint.

A lab has one machine for all of this, so three kinds of addresses are told apart:

- The lab's own address stands for AWS's services: TCP to port 443 must be permitted, and there must be a way.
- Any other address of this machine (127.0.0.1) stands for a host in the VPC: a rule permits it if it permits the port
  to some address of the VPC, to a security group or to 127.0.0.1 itself.
- Every other address is itself. 169.254.0.0/16, the VPC's own services such as DNS, is not filtered, as on AWS.

What is not permitted is dropped on AWS, and a client waits until its time is over; here it learns at once, and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

import msgspec

Address = IPv4Address | IPv6Address
Block = IPv4Network | IPv6Network

EVERYTHING = "-1"
HTTPS = 443
OWN_SERVICES = ip_network("169.254.0.0/16")
INTERNET = (ip_network("0.0.0.0/0"), ip_network("::/0"))
MOST_PORTS = 256
"""A kernel's list of ports is not longer: wide ranges are not turned into one."""


class Rule(msgspec.Struct, frozen=True):
    """An egress rule; without a block it is about a security group or a prefix list."""

    protocol: str
    first_port: int
    last_port: int
    block: Block | None

    def permits(self, protocol: str, port: int) -> bool:
        return self.protocol in (EVERYTHING, protocol) and (
            self.protocol == EVERYTHING or self.first_port <= port <= self.last_port
        )


class Network(msgspec.Struct, frozen=True):
    """What a function is attached to. `routes`: by subnet, the blocks outside the VPC that its route table leads to."""

    groups: tuple[str, ...]
    blocks: tuple[Block, ...]
    rules: tuple[Rule, ...]
    routes: Mapping[str, tuple[Block, ...]]
    endpoints: tuple[str, ...]


def is_loopback(host: str) -> bool:
    return ip_address(host.partition("%")[0]).is_loopback


def network_of(page: Mapping[str, Any], groups: Sequence[str]) -> Network:
    """From what the mocked account says (`mockaws/networks.py`)."""
    return Network(
        tuple(groups),
        tuple(ip_network(block) for block in page["cidrs"]),
        tuple(_rule(given) for given in page["rules"]),
        {name: tuple(ip_network(block) for block in blocks if block) for name, blocks in page["routes"].items()},
        tuple(page["endpoints"]),
    )


def _rule(given: Mapping[str, Any]) -> Rule:
    first, last = given["from"], given["to"]
    every = first in (None, -1)
    block = ip_network(given["cidr"], strict=False) if given["cidr"] else None
    return Rule(given["protocol"], 0 if every else first, 65_535 if every else last, block)


def obstacle(network: Network, protocol: str, host: str, port: int, *, of_aws: bool = False) -> str:
    """Why an address is not reached; "" if it is. `of_aws`: it is the lab's own."""
    address = ip_address(host.partition("%")[0])
    address = getattr(address, "ipv4_mapped", None) or address
    if address in OWN_SERVICES:
        return ""
    if of_aws:
        permitted = any(_permits_aws(rule, network) for rule in network.rules)
        what, routed = (
            f"{protocol} {HTTPS} to AWS's services",
            bool(network.endpoints) or not _without_way(network, None),
        )
    elif address.is_loopback:
        permitted = any(rule.permits(protocol, port) and _is_inside(rule, network, address) for rule in network.rules)
        what, routed = f"{protocol} {port} to the VPC's hosts, for which {host} stands", True
    else:
        permitted = any(rule.permits(protocol, port) and _contains(rule.block, address) for rule in network.rules)
        what = f"{protocol} {port} to {host}"
        routed = any(_contains(block, address) for block in network.blocks) or not _without_way(network, address)
    if not permitted:
        return f"no egress rule of {', '.join(network.groups)} permits {what}"
    return "" if routed else _no_way(network, None if of_aws else address)


def _permits_aws(rule: Rule, network: Network) -> bool:
    """AWS's services have public addresses, a prefix list, or an endpoint's inside the VPC."""
    if not rule.permits("tcp", HTTPS):
        return False
    return rule.block is None or rule.block in INTERNET or (bool(network.endpoints) and _meets(rule.block, network))


def _is_inside(rule: Rule, network: Network, address: Address) -> bool:
    return rule.block is None or _contains(rule.block, address) or _meets(rule.block, network)


def _meets(block: Block, network: Network) -> bool:
    return any(block.version == own.version and block.overlaps(own) for own in network.blocks)


def _contains(block: Block | None, address: Address) -> bool:
    return block is not None and address.version == block.version and address in block


def _without_way(network: Network, address: Address | None) -> list[str]:
    """The subnets whose route tables do not lead there; None is the internet."""
    return [
        name
        for name, blocks in network.routes.items()
        if not any(block in INTERNET if address is None else _contains(block, address) for block in blocks)
    ]


def _no_way(network: Network, address: Address | None) -> str:
    subnets = ", ".join(_without_way(network, address))
    if address is None:
        ways = "by a NAT gateway in a public subnet or by a VPC endpoint"
        return f"{subnets}: no route to AWS's services, which a function in a VPC reaches {ways}"
    return f"{subnets}: no route to {address}, which a function in a VPC reaches by a NAT gateway in a public subnet"


def ports(network: Network, endpoint_port: int) -> list[int] | None:
    """The TCP ports that the rules permit at all, as a kernel can enforce them; None if those are too many to list."""
    found = {endpoint_port} if any(_permits_aws(rule, network) for rule in network.rules) else set()
    for rule in network.rules:
        if rule.protocol not in (EVERYTHING, "tcp"):
            continue
        if rule.protocol == EVERYTHING or rule.last_port - rule.first_port >= MOST_PORTS:
            return None
        found.update(range(rule.first_port, rule.last_port + 1))
    return sorted(found) if len(found) <= MOST_PORTS else None
