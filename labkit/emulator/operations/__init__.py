"""The Lambda API's behaviour: one plain function per operation, one file per kind of resource."""
