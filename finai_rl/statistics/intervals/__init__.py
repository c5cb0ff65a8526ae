"""How sure an estimate is: bootstrap intervals of what was measured."""
