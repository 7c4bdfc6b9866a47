"""pysh beside its peers: the same work, in one interleaved run."""
