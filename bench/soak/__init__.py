"""Whether the system stays as it is over time: under load, with a fault every half a minute."""
