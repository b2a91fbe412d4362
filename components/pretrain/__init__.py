"""The `pretrain` component."""
