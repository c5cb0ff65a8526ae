"""The batched markets on tensors: market and accounts stay on the device that the agent is on."""
