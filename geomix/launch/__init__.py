"""Launching: a stage as a process of its own (`run`), Ray on this machine, the pipeline through KFP."""

from geomix.launch.stage import Resources, run, run_stage

__all__ = ["Resources", "run", "run_stage"]
