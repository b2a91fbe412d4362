"""The `shard` component."""
