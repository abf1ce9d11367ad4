"""The night of the refund agent, run for real and fast: `andon demo`, told in docs/demo.md."""
