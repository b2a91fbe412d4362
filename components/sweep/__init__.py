"""The `sweep` component."""
