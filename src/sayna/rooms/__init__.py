"""Rooms: the LiveKit server that holds them, who owns them, who may enter them."""
