"""What all rooms stand on: errors, random streams, identity, safe writes, shipped files. Imports none of them."""
