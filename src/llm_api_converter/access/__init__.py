"""Who calls, and what they may: credentials of a request, API keys and their cache, what a key is allowed."""
