"""The only package that speaks HTTP and WebSocket to clients."""
