"""FinRL's ensemble strategy: members, who of them trades, and what that earned."""
