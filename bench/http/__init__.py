"""How fast HTTP is: durable interactions beside a trivial POST of the same server."""
