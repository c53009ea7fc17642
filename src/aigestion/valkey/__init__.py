"""The way to a Valkey server, shared by those who keep something there."""
