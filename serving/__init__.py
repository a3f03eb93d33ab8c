"""Export, local server and client for trained models, in TensorFlow Serving's terms."""
