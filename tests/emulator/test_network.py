"""What a function in a VPC reaches: rules without a network."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labkit.emulator.network import network_of, obstacle, ports

PRIVATE = {"subnet-1": []}
NAT = {"subnet-1": ["0.0.0.0/0"]}


def network(*rules, routes=PRIVATE, endpoints=()):
    page = {"cidrs": ["10.0.0.0/16"], "rules": list(rules), "routes": routes, "endpoints": list(endpoints)}
    return network_of(page, ["sg-1"])


def rule(protocol="tcp", first=None, last=None, cidr="0.0.0.0/0"):
    return {"protocol": protocol, "from": first, "to": first if last is None else last, "cidr": cidr}


EVERYTHING = rule("-1")


@pytest.mark.parametrize(
    ("rules", "reached"),
    [
        ([], False),
        ([EVERYTHING], True),
        ([rule("tcp", 5432)], True),
        ([rule("tcp", 5000, 6000)], True),
        ([rule("tcp", 443)], False),
        ([rule("udp", 5432)], False),
        ([rule("tcp", 5432, cidr="10.0.3.0/24")], True),
        ([rule("tcp", 5432, cidr="10.0.4.0/24")], False),
        ([rule("tcp", 443), rule("tcp", 5432, cidr="10.0.3.7/32")], True),
    ],
)
def test_inside_the_vpc_the_egress_rules_decide(rules, reached):
    assert (obstacle(network(*rules), "tcp", "10.0.3.7", 5432) == "") is reached


@pytest.mark.parametrize(
    ("rules", "reached"),
    [
        ([EVERYTHING], True),
        ([rule("tcp", 5432, cidr="10.0.4.0/24")], True),
        ([rule("tcp", 5432, cidr="")], True),
        ([rule("tcp", 5432, cidr="127.0.0.1/32")], True),
        ([rule("tcp", 5432, cidr="192.168.0.0/16")], False),
        ([rule("tcp", 5433, cidr="10.0.4.0/24")], False),
    ],
)
def test_a_server_of_this_machine_stands_for_a_host_of_the_vpc(rules, reached):
    assert (obstacle(network(*rules), "tcp", "127.0.0.1", 5432) == "") is reached
    assert (obstacle(network(*rules), "tcp", "::ffff:127.0.0.1", 5432) == "") is reached
    assert (obstacle(network(*rules), "tcp", "0.0.0.0", 5432) == "") is reached


@pytest.mark.parametrize(
    ("rules", "routes", "endpoints", "reached"),
    [
        ([EVERYTHING], PRIVATE, [], False),
        ([EVERYTHING], NAT, [], True),
        ([EVERYTHING], NAT | PRIVATE | {"subnet-2": []}, [], False),
        ([rule("tcp", 443)], NAT, [], True),
        ([rule("tcp", 443)], PRIVATE, ["com.amazonaws.us-east-1.s3"], True),
        ([rule("tcp", 443, cidr="")], PRIVATE, ["com.amazonaws.us-east-1.s3"], True),
        ([rule("tcp", 443, cidr="10.0.0.0/16")], PRIVATE, ["com.amazonaws.us-east-1.sqs"], True),
        ([rule("tcp", 443, cidr="10.0.0.0/16")], NAT, [], False),
        ([rule("tcp", 5432)], NAT, [], False),
        ([], NAT, [], False),
    ],
)
def test_the_labs_own_address_stands_for_awss_services(rules, routes, endpoints, reached):
    seen = network(*rules, routes=routes, endpoints=endpoints)
    assert (obstacle(seen, "tcp", "127.0.0.1", 4566, of_aws=True) == "") is reached


def test_beyond_the_vpc_leads_a_route_only():
    assert obstacle(network(EVERYTHING, routes=NAT), "tcp", "93.184.216.34", 80) == ""
    assert obstacle(network(EVERYTHING, routes={"subnet-1": ["172.16.0.0/12"]}), "tcp", "172.16.1.1", 80) == ""
    assert obstacle(network(EVERYTHING), "tcp", "93.184.216.34", 80) == (
        "subnet-1: no route to 93.184.216.34, which a function in a VPC reaches by a NAT gateway in a public subnet"
    )
    assert obstacle(network(), "udp", "93.184.216.34", 53) == "no egress rule of sg-1 permits udp 53 to 93.184.216.34"
    assert obstacle(network(EVERYTHING, routes=NAT), "tcp", "2606:2800:220::1", 80) != ""
    six = network(rule("-1", cidr="::/0"), routes={"subnet-1": ["::/0"]})
    assert obstacle(six, "tcp", "2606:2800:220::1", 80) == ""


def test_the_vpcs_own_services_are_not_filtered():
    assert obstacle(network(), "udp", "169.254.169.253", 53) == ""


@pytest.mark.parametrize(
    ("rules", "listed"),
    [
        ([], []),
        ([EVERYTHING], None),
        ([rule("tcp", 0, 65535)], None),
        ([rule("tcp", 5432), rule("udp", 53)], [5432]),
        ([rule("tcp", 443)], [443, 4566]),
        ([rule("tcp", 8000, 8002, cidr="10.0.0.0/16")], [8000, 8001, 8002]),
    ],
)
def test_a_kernel_gets_the_ports_that_any_rule_permits(rules, listed):
    assert ports(network(*rules), 4566) == listed


RULES = st.builds(
    lambda protocol, first, wide, cidr: rule(protocol, first, first + wide, cidr),
    st.sampled_from(["tcp", "udp", "-1"]),
    st.integers(1, 1000),
    st.integers(0, 50),
    st.sampled_from(["0.0.0.0/0", "10.0.0.0/16", "10.0.3.0/24", "192.168.0.0/16", ""]),
)
HOSTS = st.sampled_from(["10.0.3.7", "127.0.0.1", "192.168.1.1", "8.8.8.8"])


@given(st.lists(RULES, max_size=4), RULES, HOSTS, st.integers(1, 1100), st.sampled_from([PRIVATE, NAT]))
def test_one_more_rule_never_closes_anything(rules, another, host, port, routes):
    if obstacle(network(*rules, routes=routes), "tcp", host, port) == "":
        assert obstacle(network(*rules, another, routes=routes), "tcp", host, port) == ""


@given(st.lists(RULES, max_size=4), HOSTS, st.integers(1, 1100))
def test_the_kernels_list_closes_nothing_that_the_rules_permit(rules, host, port):
    seen = network(*rules, routes=NAT)
    if obstacle(seen, "tcp", host, port) == "":
        listed = ports(seen, 4566)
        assert listed is None or port in listed
