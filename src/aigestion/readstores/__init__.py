"""How changes are applied to the engines that hold read models."""
