"""Whether the log stays as fast as it grows: the same appends, reads and commands on logs of several sizes."""
