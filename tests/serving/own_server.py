"""What the container's files must have in common with the local server and the client, from where it is written."""
from fixhead_serving import client, server

HOST = server.HOST
PORT = server.PORT
BATCH_SIZE = client.BATCH_SIZE
