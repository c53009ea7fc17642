"""The assistant: answers questions from the tenant's documents."""
