"""Answers remembered under everything they depend on, in this process or in Valkey."""
