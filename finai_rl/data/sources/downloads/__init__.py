"""What sources that download share, and the network part of each."""
