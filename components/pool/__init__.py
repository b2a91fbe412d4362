"""The `pool` component."""
