"""The runtime: the protocol core, the hub, the runners, and the public names over them."""
