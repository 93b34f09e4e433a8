"""Starts, finds and talks to an endpoint: the notebook is a client of AWS's own API."""

from labkit.client.function import DeployedFunction
from labkit.client.lab import Interrupted, Lab, LabWarning
from labkit.model import Outcome, Outcomes

__all__ = ["DeployedFunction", "Interrupted", "Lab", "LabWarning", "Outcome", "Outcomes"]
