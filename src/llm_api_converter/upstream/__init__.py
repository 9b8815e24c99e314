"""The upstream side of the wire: one pooled HTTP client, its time limits and its errors."""
