"""How fast the search read model is filled in Elasticsearch, beside the client's own bulk helper."""
