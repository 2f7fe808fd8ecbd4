# SPDX-License-Identifier: MIT
"""What the tests over sockets share: starting servers, talking to them, waiting."""
