"""One module a version, named in order; what a release has shipped never changes."""
