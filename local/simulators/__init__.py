"""Local stand-ins for the four hosted APIs, exact on the wire, with every failure on a switch."""

from local.simulators.assembly import Simulators
from local.simulators.clock import ManualClock
from local.simulators.faults import MarkerError
from local.simulators.settings import PROVIDERS, Settings
from local.simulators.views import JobView

__all__ = ["PROVIDERS", "JobView", "ManualClock", "MarkerError", "Settings", "Simulators"]
