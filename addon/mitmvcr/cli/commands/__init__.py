"""What each subcommand does: a module of its name with `run(given)`, which returns the exit status."""
