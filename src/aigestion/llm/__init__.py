"""Models behind one port; one file a provider."""
