"""Use cases of the directory: tenants, API keys, agents."""
