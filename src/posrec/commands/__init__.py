"""One file per verb of the command line, with the name of the verb."""
