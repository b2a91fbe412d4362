"""The `sample` component."""
