"""Analytics in ClickHouse: one wide, final row a fact; a database a view."""
