"""What an agent does on days that it has not learned from, and what that is held against."""
