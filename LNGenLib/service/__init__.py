"""Jobs over HTTP: a server beside a GPU, a worker on this machine, and the client of both."""
