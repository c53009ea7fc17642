"""GraphQL at `/graphql`: the queries of the other routes under one roof."""
