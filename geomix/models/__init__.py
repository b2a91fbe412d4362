"""The models: one readable file each, their batches, presets and the way to build, save and load them (torch)."""
