"""What rung asks of the operating system: processes, limits, disks."""
