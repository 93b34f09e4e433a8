"""What happens at its time: scheduled rules of EventBridge, and EventBridge Scheduler.

    forwarding -> watch (a rule or schedule was changed) -> timer -> entries (which, and when next)
                                                              |
                                                      clock --'-> delivery -> payloads, requests -> invoker, clients

The rules and schedules themselves are moto's records, read again when a request that changes them has passed by.
"""
