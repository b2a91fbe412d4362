"""Training: the order of samples, the loop, its checkpoints, and the loop on 1 to N Ray Train workers."""
