"""The other services of the account: moto's server, in a process of its own, on a socket that only we can open."""
