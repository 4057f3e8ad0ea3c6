"""Peer to peer: libp2p in its own trio thread, used from asyncio. The only home of libp2p and trio.

host.py           the asyncio face: start, connect, request, serve, ping
gossip.py         signed heartbeats on gossipsub
discovery.py      keeps bootstrap peers connected, dials peers found in heartbeats
blockexchange.py  bitswap, client and server
messages.py       what travels in frames
identity.py       the peer key
control.py        the p2p routes of a node's control API, and their client
bridge.py, swarm.py, node.py, streams.py, heartbeats.py, bitswap.py, dagfetch.py     the trio side

Nothing here imports libp2p until a host starts.
"""
