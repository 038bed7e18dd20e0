"""What outlives a process: files and object stores."""
