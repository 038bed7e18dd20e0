"""Local models: where they come from and how they run."""
