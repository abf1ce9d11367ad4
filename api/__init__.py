"""The HTTP gateway and control API: `andon api`. Routes only carry; the work is done elsewhere."""
