"""One trading strategy a file, each with the paper that it comes from."""
