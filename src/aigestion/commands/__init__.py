"""What can be asked: pure decisions, one module a use case, and the dispatcher that runs them."""
