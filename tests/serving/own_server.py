"""Values that the container files share with the local server and the client, read from the package."""
from fixhead_serving import client
from fixhead_serving.config import ServerConfig
from fixhead_serving.server import Limits

HOST = ServerConfig.host
PORT = ServerConfig.port
DRAIN_SECONDS = ServerConfig.drain_seconds
LARGEST_BATCH = Limits.batch
TIMEOUT_SECONDS = Limits.timeout_seconds
BATCH_SIZE = client.BATCH_SIZE
