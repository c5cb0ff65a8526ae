"""Whether what an agent sees of a day knows anything of later days."""
