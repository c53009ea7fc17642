"""What can have happened: the contract that every part of the system shares."""
