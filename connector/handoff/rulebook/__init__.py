"""What a company wants, a topic a file; ``policy.Policy`` holds them together."""
