"""The read store in Elasticsearch: whole documents, found by their words."""
