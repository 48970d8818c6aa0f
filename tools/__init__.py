"""What the agents may do: databases behind a policy, the guard, the sandbox, the four tools."""
