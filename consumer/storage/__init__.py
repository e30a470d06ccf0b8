"""Object stores behind one protocol, and where things lie in them."""
