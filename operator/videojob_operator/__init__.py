"""The operator: turns VideoJobs into Kubernetes Jobs and writes back how they fare."""

__version__ = "0.1.0"
