"""How soon an event is visible after it was appended, beside what the broker alone takes."""
