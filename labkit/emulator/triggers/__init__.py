"""What makes functions run without a caller: pollers of queues and streams, for event source mappings."""
