"""Where a training stands, on disk: written whole, checked when read, exact when it goes on."""
