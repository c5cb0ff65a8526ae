"""Tables of prices on their way to a panel: read, checked, repaired."""
