"""Is the explanation true, and does it mean what people think? Metrics, the phantom benchmark, verdicts."""
