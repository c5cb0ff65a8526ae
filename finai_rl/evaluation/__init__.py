"""Arrays in, numbers and pictures out; knows no agent and no tracker."""
