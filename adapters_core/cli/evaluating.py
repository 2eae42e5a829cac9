"""evaluate, conform, bench."""
