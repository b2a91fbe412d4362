"""The pipeline: the same DAG for every study, on a laptop and on a cluster."""
