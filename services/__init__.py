"""The imperative shell: processes, sockets, files. Rules live in `domain`."""
