"""A market that can be stopped at any instant: looked into, acted in, kept, loaded and branched."""
