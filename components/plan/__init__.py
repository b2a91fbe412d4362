"""The `plan` component."""
