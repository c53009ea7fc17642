"""How much a caller may ask for in a while: sliding windows, in this process or in Valkey."""
